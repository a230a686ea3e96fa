"""What the evidence amounts to, by written rules: no evidence, weak, evidence or implausible.

The rules are about direction only. Knowing how far a market will move (volatility skill) raises accuracy, MCC and log
loss without knowing where to, so it is told under its own name and never counts. Only the declared primary is judged.

1. Direction: the interval of the primary's information coefficient (IC) lies above 0.
2. Naive forecasts: so does that of its lead over the best forecast that knows nothing.
3. Profit: the interval of the net Sharpe ratio lies above 0.
4. Timing: so does that of what is left of it without drift. A book that is long on a rising market earns its drift
   without knowing anything, and good timing can still lose money.
5. Trials: the Sharpe ratio, deflated by everything that was ever tried on this head, has a probability of .95.
6. Episodes: the claim rests on at least 30 independent active episodes.
7. Seeds: fitted again with at least 3 seeds, every IC is above 0.
8. Whole report: were all models of all traded heads worthless, the best would look as good with a probability of at
   most .05, and the primary is among those that stand out one by one.
9. Universe: a claim on more than two entities is not about survivors.
10. Plausibility: neither the IC, either sign, nor a gain is larger than markets give, other than by chance.

All hold: *evidence*. Else *weak* with 1, or with 3 and 4; *no evidence* without. If 10 fails: *implausible*, whatever
else holds. What is not known never counts as passed. docs/honesty.md says what each number is and what it cannot know.
"""

from assay.market.verdict.findings import Backtest, Findings
from assay.market.verdict.judge import verdict
from assay.market.verdict.rule import Ceiling, Level, VerdictRule

__all__ = ["Backtest", "Ceiling", "Findings", "Level", "VerdictRule", "verdict"]
