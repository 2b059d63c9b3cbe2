{#-
  The condition that a lead is one of those that this run has rebuilt. Where a run rebuilds some leads only, staging and the
  intermediate models hold those alone, and the marts hold all leads: what compares the two looks at these. A lead of the batch
  may have no record (any more). Where every lead is rebuilt, all leads are.
-#}
{% macro is_of_this_run(lead_id) -%}
    {{ lead_id }} in (
        select records.lead_id from {{ ref('int_leads__records') }} as records
        union distinct
        select batch.lead_id from {{ ref('stg_crm__batch') }} as batch
    )
{%- endmacro %}
