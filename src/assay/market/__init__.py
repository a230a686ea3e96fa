"""The domain: pure functions over tables. Imports no kedro, reads no file, asks no clock."""
