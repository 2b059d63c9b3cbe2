-- Promised: nine of ten qualified leads are touched within eight business hours.
{{ sales_promise(
    rule_id='qualified_touch',
    days=28,
    minimum_population=50,
    warn_below=0.90,
    error_below=0.30,
    reason='Marketing pays for every qualified lead, and a full business day suffices for one touch. Below three of ten, the hand-over is broken.'
) }}
