{#
    Threshold tests: was the attainment that the company promised reached? Each promise is a file of tests/sla, which calls
    sales_promise or marketing_promise. Such a test selects nothing when the promise is kept, and else one row with what was
    observed, the bound, the population and a sentence (`problem`). It warns below the warning bound, fails below the error
    bound, and warns where the population is too small to judge: no evidence is a finding of its own, never a pass.
    Only leaves of the graph are tested, so that a broken promise never skips a mart.
#}


{#
    Sales: the share of a rule's obligations due in the last days, up to `as_of`'s day, that were met.

    rule_id: the rule, in whatever version.
    days: the window, in days.
    minimum_population: obligations due, fewer of which say nothing.
    warn_below, error_below: bounds of the share, 0 to 1.
    reason: why these bounds, in a sentence.
#}
{% macro sales_promise(rule_id, days, minimum_population, warn_below, error_below, reason) -%}
    {%- set what = "rule " ~ rule_id -%}
    {%- set bounds = {"warn_below": warn_below, "error_below": error_below, "minimum_population": minimum_population} -%}
    {{- declare_promise({"promise_of": "sales", "rule_id": rule_id}, what, bounds, days, reason) }}

with clock as (

    select {{ local_date(as_of()) }} as last_day

),

daily as (

    select * from {{ ref("fct_sales_sla_daily") }}

),

measured as (

    select
        cast(sum(daily.met) as {{ type_double() }}) / nullif(sum(daily.due), 0) as observed,
        cast(coalesce(sum(daily.due), 0) as {{ dbt.type_bigint() }}) as population,
        cast({{ dbt.dateadd("day", 1 - days, "min(clock.last_day)") }} as date) as first_day,
        min(clock.last_day) as last_day
    from clock
    left join daily
        on
            daily.rule_id = '{{ dbt.escape_single_quotes(rule_id) }}'
            and daily.date_day <= clock.last_day
            and daily.date_day >= cast({{ dbt.dateadd("day", 1 - days, "clock.last_day") }} as date)

),

{{ judge(bounds) }}

select
    observed,
    bound,
    population,
    level,
    case
        when population = 0
            then {{ sentence(
                what ~ ": no obligation was due from {first_day} to {last_day}, so nothing shows that Sales keeps this promise. "
                ~ "See that the rule is in force in sales_sla_rules and that its triggers arrive, or delete " ~ model.original_file_path ~ "."
            ) }}
        when population < {{ minimum_population }}
            then {{ sentence(
                what ~ ": only {population} obligations were due from {first_day} to {last_day} ({percent} % of them met), "
                ~ "fewer than the " ~ minimum_population ~ " that a judgement takes. See that its triggers arrive, or judge more days."
            ) }}
        else {{ sentence(
            what ~ ": {percent} % of the {population} obligations due from {first_day} to {last_day} were met, and "
            ~ percent(warn_below) ~ " % are promised (below " ~ percent(error_below) ~ " % is an error). " ~ reason
        ) }}
    end as problem
from judged
where level > 0
{%- endmacro %}


{#
    Marketing: the month to date over the ideal line, by value where there is a target in dollars, else by leads. The month is
    that of `as_of`, or the one before while the new one is younger than minimum_days. Too much hurts Sales as too little does.

    persona: a persona, or `all`.
    minimum_days: days of the month with a target, fewer of which say nothing. They are the population.
    warn_below, error_below, warn_above, error_above: bounds of the share of the ideal line, 1 = on it.
    reason: why these bounds, in a sentence.
#}
{% macro marketing_promise(persona, minimum_days, warn_below, error_below, warn_above, error_above, reason) -%}
    {%- set what = "Marketing, " ~ ("all personas" if persona == "all" else "persona " ~ persona) -%}
    {%- set bounds = {
        "warn_below": warn_below, "error_below": error_below, "warn_above": warn_above, "error_above": error_above,
        "minimum_population": minimum_days
    } -%}
    {{- declare_promise({"promise_of": "marketing", "persona": persona}, what, bounds, minimum_days, reason) }}

with clock as (

    select {{ local_date(as_of()) }} as last_day

),

daily as (

    select * from {{ ref("fct_marketing_sla_daily") }}

),

days as (

    select
        daily.date_day,
        daily.target_value_usd,
        case
            when daily.target_value_usd is not null
                then cast(daily.mtd_value_usd as {{ type_double() }}) / nullif(cast(daily.ideal_mtd_value_usd as {{ type_double() }}), 0)
            else daily.mtd_leads / nullif(cast(daily.ideal_mtd_leads as {{ type_double() }}), 0)
        end as observed,
        count(case when daily.target_value_usd is not null or daily.target_leads is not null then 1 end) over (
            partition by {{ dbt.date_trunc("month", "daily.date_day") }}
        ) as population,
        row_number() over (
            partition by {{ dbt.date_trunc("month", "daily.date_day") }}
            order by daily.date_day desc
        ) as days_to_the_end
    from clock
    inner join daily
        on
            daily.persona = '{{ dbt.escape_single_quotes(persona) }}'
            and daily.date_day <= clock.last_day
            and daily.date_day >= cast({{ dbt.dateadd("month", -1, dbt.date_trunc("month", "clock.last_day")) }} as date)

),

months as (

    select
        days.*,
        row_number() over (
            order by
                case when days.population >= {{ minimum_days }} then 0 else 1 end,
                days.date_day desc
        ) as choice
    from days
    where days.days_to_the_end = 1

),

measured as (

    select
        months.observed,
        coalesce(months.population, 0) as population,
        coalesce(months.date_day, clock.last_day) as last_day,
        case when months.target_value_usd is not null then 'value' else 'leads' end as measure
    from clock
    left join months
        on months.choice = 1

),

{{ judge(bounds) }}

select
    observed,
    bound,
    population,
    level,
    case
        when population = 0
            then {{ sentence(
                what ~ ": there is no target for the month of {last_day}, so nothing shows that Marketing keeps this promise. "
                ~ "Add the month to marketing_targets; where it is there, no rep of the persona is active on its first day: correct raw reps. Or delete " ~ model.original_file_path ~ "."
            ) }}
        when population < {{ minimum_days }}
            then {{ sentence(
                what ~ ": only {population} days up to {last_day} have a target, fewer than the " ~ minimum_days
                ~ " that a judgement takes. It comes by itself as the month goes on."
            ) }}
        else {{ sentence(
            what ~ ": on {last_day} the month to date is at {percent} % of the ideal line, by {measure}, and "
            ~ percent(warn_below) ~ " to " ~ percent(warn_above) ~ " % are promised (below " ~ percent(error_below)
            ~ " % or above " ~ percent(error_above) ~ " % is an error). " ~ reason
        ) }}
    end as problem
from judged
where level > 0
{%- endmacro %}


{# Checks a promise, and makes the test one that warns and fails by its bounds (`level`). Other tests read the promise from `meta`. #}
{% macro declare_promise(meta, what, bounds, days, reason) -%}
    {%- set rising = [bounds.error_below, bounds.warn_below] -%}
    {%- if bounds.warn_above -%}
        {%- do rising.extend([bounds.warn_above, bounds.error_above]) -%}
    {%- endif -%}
    {%- if rising != rising | sort or rising[0] < 0 or bounds.minimum_population < 1 or days < 1 or not reason -%}
        {{ exceptions.raise_compiler_error(
            model.original_file_path ~ " (" ~ what ~ "): a promise has 0 <= error_below <= warn_below <= warn_above <= error_above, "
            ~ "a window and a population of 1 or more, and a reason."
        ) }}
    {%- endif -%}
    {{ config(
        tags=["sla_threshold"],
        meta=meta,
        severity="error",
        fail_calc="coalesce(max(level), 0)",
        warn_if=">= 1",
        error_if=">= 2"
    ) }}
{%- endmacro %}


{# The CTE `judged`: `measured` with the level of the finding (0 none, 1 warning, 2 error), the bound and the rate in per cent. #}
{% macro judge(bounds) -%}
judged as (

    select
        measured.*,
        case
            when measured.population < {{ bounds.minimum_population }} or measured.observed is null then 1
            when measured.observed < {{ bounds.error_below }} then 2
            {%- if bounds.warn_above %}
            when measured.observed > {{ bounds.error_above }} then 2
            {%- endif %}
            when measured.observed < {{ bounds.warn_below }} then 1
            {%- if bounds.warn_above %}
            when measured.observed > {{ bounds.warn_above }} then 1
            {%- endif %}
            else 0
        end as level,
        cast(
            case
                when measured.population < {{ bounds.minimum_population }} then {{ bounds.warn_below }}
                when measured.observed < {{ bounds.error_below }} then {{ bounds.error_below }}
                {%- if bounds.warn_above %}
                when measured.observed > {{ bounds.error_above }} then {{ bounds.error_above }}
                when measured.observed > {{ bounds.warn_above }} then {{ bounds.warn_above }}
                {%- endif %}
                else {{ bounds.warn_below }}
            end as {{ type_double() }}
        ) as bound,
        -- Rounded away from the bound: what is below it must not read as if it were on it.
        cast(
            case
                when measured.observed < {{ bounds.warn_below }} then floor(cast(1000 * measured.observed as decimal(18, 6)))
                else ceil(cast(1000 * measured.observed as decimal(18, 6)))
            end / 10
            as decimal(18, 1)
        ) as percent
    from measured

)
{%- endmacro %}


{# A share as per cent, in words: 0.8 -> 80, 0.975 -> 97.5. #}
{% macro percent(share) -%}
    {%- set value = (share * 100) | round(1) -%}
    {{- value | int if value == value | int else value -}}
{%- endmacro %}


{# What is promised: the values of one meta entry (`rule_id`, `persona`) of all promises of `sales` or `marketing`. #}
{% macro promised(of, entry) -%}
    {%- set found = [] -%}
    {%- if execute -%}
        {%- for node in graph.nodes.values() if node.resource_type == "test" and node.config.meta.get("promise_of") == of -%}
            {%- do found.append(node.config.meta[entry]) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(found | sort) }}
{%- endmacro %}
