-- Promised: the value of enterprise leads follows the ideal line of the month within 10 %.
{{ marketing_promise(
    persona='enterprise',
    minimum_days=7,
    warn_below=0.90,
    error_below=0.05,
    warn_above=1.10,
    error_above=3.00,
    reason='Enterprise leads are few and dear, and cannot be made up for by smaller ones. Below a twentieth, or above three times, it is rather a form, a load or a target that is broken.'
) }}
