"""The workbook: the day's lists and scorecards for those who live in Excel, read from the published marts.

The command line needs no more than what is named here.
"""

from lead_sla.export.workbook import ExportResult, export, parse_scope

__all__ = ["ExportResult", "export", "parse_scope"]
