"""Makes `python -m lead_sla` the same as `lead-sla`."""

from lead_sla.cli import main

main()
