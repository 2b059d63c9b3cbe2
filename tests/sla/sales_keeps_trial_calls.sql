-- Promised: seven of ten free trials get their three calls within a week.
{{ sales_promise(
    rule_id='trial_calls',
    days=28,
    minimum_population=50,
    warn_below=0.70,
    error_below=0.30,
    reason='A week leaves time for three calls, but some trials sign or say no before the third. Below three of ten, the calls are not planned.'
) }}
