-- Promised: three of four new leads hear from a human within the hour.
{{ sales_promise(
    rule_id='new_lead_touch',
    days=28,
    minimum_population=50,
    warn_below=0.75,
    error_below=0.25,
    reason='The hour also runs at night and on Sundays, when few are on duty: three of four is what a team on its toes reaches. '
    ~ 'Below one of four, nobody is on duty at all.'
) }}
