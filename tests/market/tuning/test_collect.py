"""Results of all models of a head, brought together."""

from assay.market.tuning import collect_trials


def test_results_of_a_head_are_collected() -> None:
    first, second = {"id": "a/0", "score": 1.0, "state": "complete"}, {"id": "a/1", "score": 2.0, "state": "pruned"}
    seen = {"what": "tuning", "last_time_seen": "2024-01-01", "last_label_end": "2024-01-02"}
    tuned = {
        "best": {"alpha": 2.0},
        "trials": [first, second],
        "seen": seen,
        "stopped": "patience",
        "params": {"search": {"alpha": {}}},
    }
    nothing = {"best": {}, "trials": [], "seen": None, "stopped": None, "params": {}}
    best, records = collect_trials({"ridge": tuned, "zero": nothing})
    assert best == {
        "ridge": {
            "values": {"alpha": 2.0},
            "trials": ["a/0", "a/1"],
            "seen": seen,
            "stopped": "patience",
            "params": {"search": {"alpha": {}}},
        },
        "zero": {"values": {}, "trials": [], "seen": None, "stopped": None, "params": {}},
    }
    about = {"model": "ridge", "scope": "inner"}
    assert records == [about | first, about | second]
