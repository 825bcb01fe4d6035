"""Samplesheets: tables with a row for each sample, which become records and labels of the files that they name."""
