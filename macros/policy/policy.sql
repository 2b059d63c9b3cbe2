{#- What a lead is worth: win rate x average purchase price, to the cent. -#}
{% macro lead_value_usd(lead_values) -%}
    cast(round({{ lead_values }}.win_rate * {{ lead_values }}.average_purchase_price_usd, 2) as decimal(18, 2))
{%- endmacro %}

{#- Whether a rep is a salesperson on a day. -#}
{% macro active_on(reps, day) -%}
    {{ reps }}.active_from <= {{ day }}
    and ({{ reps }}.active_to is null or {{ reps }}.active_to > {{ day }})
{%- endmacro %}

{#- Whether a rep serves a persona: all, where none is named. -#}
{% macro serves(reps, persona) -%}
    (
        coalesce({{ reps }}.personas, '') = ''
        or {{ dbt.position("'|' || " ~ persona ~ " || '|'", "'|' || replace(" ~ reps ~ ".personas, ' ', '') || '|'") }} > 0
    )
{%- endmacro %}
