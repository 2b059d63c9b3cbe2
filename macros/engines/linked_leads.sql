{#-
  The last CTEs of a recursive query, the last of them `linked`: the leads (lead_id) of a CTE `starts`, and all that hang together with
  them along the rows of a CTE `links` (lead_id, linked_lead_id), which names each link both ways and may go in circles.
-#}
{% macro linked_leads(starts, links) -%}
    {{ return(adapter.dispatch('linked_leads', 'lead_sla')(starts, links)) }}
{%- endmacro %}

{% macro default__linked_leads(starts, links) -%}
    linked as (
        select lead_id from {{ starts }}
        union distinct
        select {{ links }}.linked_lead_id as lead_id
        from linked
        inner join {{ links }}
            on linked.lead_id = {{ links }}.lead_id
    )
{%- endmacro %}

{#-
  Spark's recursion forgets nothing twice: each walk has to remember where it has been. None goes on through another start, which
  walks for itself, so that many leads which begin beside each other do not all walk all ways.
-#}
{% macro spark__linked_leads(starts, links) -%}
    onward as (
        select
            {{ links }}.lead_id,
            {{ links }}.linked_lead_id
        from {{ links }}
        left join {{ starts }}
            on {{ links }}.linked_lead_id = {{ starts }}.lead_id
        where {{ starts }}.lead_id is null
    ),

    walks as (
        select
            lead_id,
            array(lead_id) as way
        from {{ starts }}
        union all
        select
            onward.linked_lead_id as lead_id,
            concat(walks.way, array(onward.linked_lead_id)) as way
        from walks
        inner join onward
            on walks.lead_id = onward.lead_id
        where not array_contains(walks.way, onward.linked_lead_id)
    ),

    linked as (
        select distinct lead_id from walks
    )
{%- endmacro %}
