-- Promised: the value that Marketing hands over follows the ideal line of the month within 10 %, in sum.
{{ marketing_promise(
    persona='all',
    minimum_days=7,
    warn_below=0.90,
    error_below=0.05,
    warn_above=1.10,
    error_above=3.00,
    reason='Sales hires for the whole flow. A tenth either way is what a team absorbs. Below a twentieth, or above three times, it is rather a form, a load or a target that is broken.'
) }}
