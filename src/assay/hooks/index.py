"""Keeps the index page over all runs up to date."""

from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog

from assay.console import console


class Index:
    """Writes the index page after every run that wrote a report, when its manifest is closed."""

    @hook_impl
    def before_pipeline_run(self, catalog: DataCatalog) -> None:
        """Forget the run before."""
        self._catalog, self._reported = catalog, False

    @hook_impl
    def after_dataset_saved(self, dataset_name: str) -> None:
        """Note that there is a new report."""
        self._reported |= dataset_name.endswith(".report")

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Write the page and say where it lies."""
        from assay.history import write_index

        if self._reported and (path := write_index(self._catalog)):
            console().print(f"all runs: {path.resolve()}", soft_wrap=True, markup=False, highlight=False)
