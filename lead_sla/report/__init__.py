"""The daily report on both SLAs: read from the published marts, sent as a mail and to chat channels.

The command line and the nightly run need no more than what is named here. Heavy libraries are loaded when a report is made.
"""

from lead_sla.report.config import ReportConfig, load_config
from lead_sla.report.outcome import Outcome, ReportResult, Status
from lead_sla.report.send import send_reports, write_reports

__all__ = ["Outcome", "ReportConfig", "ReportResult", "Status", "load_config", "send_reports", "write_reports"]
