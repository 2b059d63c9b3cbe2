-- Promised: the value of small-business leads follows the ideal line of the month within 10 %.
{{ marketing_promise(
    persona='small_business',
    minimum_days=7,
    warn_below=0.90,
    error_below=0.05,
    warn_above=1.10,
    error_above=3.00,
    reason='Small businesses are many and cheap: more of them than agreed crowd out the others. Below a twentieth, or above three times, it is rather a form, a load or a target that is broken.'
) }}
