"""The Sales and Marketing SLA, measured daily: the command line around the dbt project `lead_sla`."""

__version__ = "0.1.0"
