-- Grain: one row per raw table (table_name): its newest load that this run looks at; null where nothing was ever
-- loaded.
-- No other model looks at loads as such: the clock and the freshness that reports show come from here.

{% for table in ['leads', 'activities', 'owner_changes', 'reps', 'deals'] %}
    select
        '{{ table }}' as table_name,
        max(_loaded_at) as newest_loaded_at
    from {{ source('crm', table) }}
    {% if var('as_of') %}where _loaded_at <= {{ as_of_given() }}{% endif %}
    {% if not loop.last %}union all{% endif %}
{% endfor %}
