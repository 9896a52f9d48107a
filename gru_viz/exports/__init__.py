"""A trace to whatever goes on with it: dataframes, xarray, CSV, Parquet, NPZ."""

from gru_viz.exports.files import to_csv, to_npz, to_parquet
from gru_viz.exports.tables import facts, to_table, to_tidy, to_xarray

__all__ = ["facts", "to_csv", "to_npz", "to_parquet", "to_table", "to_tidy", "to_xarray"]
