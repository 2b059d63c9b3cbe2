-- One row per rep of a scope ($kind, $of): of a team, below a manager (and the manager), or the one. What dim_reps does not
-- know but obligations name is somebody too.
with recursive below as (
    select rep_id from marts.dim_reps where rep_id = $of
    union
    select dim_reps.rep_id from marts.dim_reps as dim_reps
    inner join below on dim_reps.manager_id = below.rep_id
)

select rep_id from marts.dim_reps where $kind = 'team' and team = $of
union
select rep_id from below where $kind = 'manager'
union
select rep_id from marts.dim_reps where $kind = 'rep' and rep_id = $of
union
select responsible_rep_id from marts.fct_sales_sla_obligations where $kind = 'rep' and responsible_rep_id = $of
order by rep_id
