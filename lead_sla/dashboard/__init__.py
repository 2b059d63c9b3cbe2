"""The dashboard: a static site written from the published marts, which opens from a folder, without a server or a network.

The command line and the nightly run need no more than what is named here. Heavy libraries are loaded when a site is written.
"""

from lead_sla.dashboard.site import DashboardResult, write_dashboard

__all__ = ["DashboardResult", "write_dashboard"]
