"""The stages, one package each, as ``kedro run --pipelines`` names them. No workload is named in here."""
