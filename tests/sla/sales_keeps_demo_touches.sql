-- Promised: four of five demo requests are touched twice within three days.
{{ sales_promise(
    rule_id='demo_touches',
    days=28,
    minimum_population=50,
    warn_below=0.80,
    error_below=0.30,
    reason='Who asks for a demo wants to be called; three days bridge a weekend. Below three of ten, demos are handed to nobody.'
) }}
