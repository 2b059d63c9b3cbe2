-- Promised: the value of mid-market leads follows the ideal line of the month within 10 %.
{{ marketing_promise(
    persona='mid_market',
    minimum_days=7,
    warn_below=0.90,
    error_below=0.05,
    warn_above=1.10,
    error_above=3.00,
    reason='Mid-market is the core of the plan; a tenth either way is what its reps absorb. Below a twentieth, or above three times, it is rather a form, a load or a target that is broken.'
) }}
