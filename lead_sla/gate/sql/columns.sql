-- Grain: one row per column of the contract or of the landed files, and one per table that cannot be read at all.
-- `problem` says what a build would refuse, `unknown` what it would not read; both are null where nothing is wrong.
create table columns as
with named as (
    select
        coalesce(contract.table_name, landed_columns.table_name) as table_name,
        coalesce(contract.column_name, landed_columns.column_name) as column_name,
        contract.data_type,
        contract.is_optional,
        landed_columns.landed_type
    from contract
    full outer join landed_columns
        on
            contract.table_name = landed_columns.table_name
            and lower(contract.column_name) = lower(landed_columns.column_name)
)

select
    coalesce(concat_ws('.', coalesce(named.table_name, problems.table_name), named.column_name), '') as row_name,
    coalesce(named.table_name, problems.table_name) as table_name,
    named.* exclude (table_name),
    problems.problem,
    if(
        named.data_type is null and named.landed_type is not null,
        concat(
            'column ', named.column_name, ' of table ', named.table_name, ' is landed (', named.landed_type,
            '), and the contract does not know it'
        ),
        null
    ) as unknown
from named
full outer join raw.contract_problems as problems
    on
        named.table_name = problems.table_name
        and named.column_name = problems.column_name;
