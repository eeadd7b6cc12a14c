"""I-SPY 1 (ACRIN 6657): visits, series roles, dynamic layouts, the trial's recorded analysis, the clinical workbook."""
