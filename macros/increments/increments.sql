{#-
  A run rebuilds leads, not rows. The facts that are kept from run to run (the incremental models) forget everything of the
  leads of the batch (stg_crm__batch), and get it anew; what is only added to (strategy `append`) gets the batch's new rows.
  All else of staging and the intermediate models is the work of one run, and holds the leads of its batch alone. So every model is written as though the batch were all there is.

  What has been done stands in small tables of schema `increments`:
    opened  one row: the batch that is being made, and why it is as it is
    runs    every batch that was made: its `as_of`, what it worked by, from which run it went on, whether it holds every lead;
            and every choice of models that was made without a batch, and by something else than the last one
    landed  what each of these runs found in the raw tables (macros/engines/landed.sql says in which parts)
    done    which of these runs each kept model has got to, written in the transaction that writes its rows (macros/engines says
            what an engine without transactions does)
    made    the models that were made in each of these runs, by the invocations that ended: names with spaces between
    whole   the runs in which every model was made, and what the models that are not kept worked by
  The next batch begins where the model that is furthest behind has got to. So a run that breaks off between two models
  leaves nothing to mend: leads that are rebuilt twice come out the same.
-#}

{#- The statements that make the tables, before a run. -#}
{% macro increment_tables() -%}
    {%- set text, run = dbt.type_string(), 'run_number integer, as_of timestamp, worked_by ' ~ dbt.type_string() ~ ', since_run integer, since_as_of timestamp, is_full boolean, reason ' ~ dbt.type_string() -%}
    {{ return([
        'create schema if not exists increments',
        'create table if not exists increments.opened (' ~ run ~ ')' ~ remembered_by(),
        'create table if not exists increments.runs (' ~ run ~ ')' ~ remembered_by('run_number'),
        'create table if not exists increments.landed (run_number integer, table_name ' ~ text ~ ', part ' ~ text ~ ', mark ' ~ text ~ ', newest_loaded_at timestamp)' ~ remembered_by('run_number'),
        'create table if not exists increments.done (model_name ' ~ text ~ ', run_number integer)' ~ remembered_by('model_name'),
        'create table if not exists increments.made (run_number integer, models ' ~ text ~ ')' ~ remembered_by('run_number'),
        'create table if not exists increments.whole (run_number integer, worked_by ' ~ text ~ ')' ~ remembered_by('run_number'),
    ]) }}
{%- endmacro %}

{#- The models that are kept from run to run. -#}
{% macro kept_models() -%}
    {{ return(graph.nodes.values() | selectattr('resource_type', 'equalto', 'model') | selectattr('config.materialized', 'equalto', 'incremental') | list) }}
{%- endmacro %}

{#- What the kept facts are made by: the seeds of the agreement but the targets of Marketing, which the daily mart alone reads. -#}
{% macro seeds_of_kept_facts() -%}
    {{ return([
        'personas', 'journey_stages', 'activity_types', 'buyer_matrix', 'lead_values', 'sales_sla_rules', 'business_calendars', 'holidays',
    ]) }}
{%- endmacro %}

{#-
  Opens the batch of this run: finds out from which run it goes on, or why every lead has to be rebuilt, and says so before
  anything is. For stg_crm__batch alone, which closes it when it is made (`note_batch`). Returns whether it holds every lead.
-#}
{% macro open_batch() -%}
    {%- set clock = ref('stg_crm__clock') -%}
    {#- They have to be loaded by then; by the targets it is told whether the daily mart would come out the same. -#}
    {%- for seed in seeds_of_kept_facts() + ['marketing_targets'] -%}
        {%- do ref(seed) -%}
    {%- endfor -%}
    {%- if is_real_run() and kept_models() -%}
        {%- set number = run_query('select coalesce(max(run_number), 0) + 1 from increments.runs').rows[0][0] | int -%}
        {#- Under `dbt build --empty` the clock has no row. -#}
        {%- set clocks = run_query('select ' ~ timestamp_text('as_of') ~ ' from ' ~ clock).rows -%}
        {%- set as_of = instant_as_text(clocks[0][0] if clocks else none) -%}
        {%- set worked_by = what_is_worked_by() -%}
        {%- set last = last_run_done_by_all() -%}
        {%- do forget_runs(last.run_number if last is not none else 0, number) -%}
        {%- do note_what_landed(number, as_of) -%}
        {%- set reason = why_everything(last, worked_by, as_of, number) -%}
        {%- set row = row_of_runs(number, as_of, worked_by, none if reason else last.run_number, none if reason else last.as_of, reason) -%}
        {%- do run_query(remember('opened', columns_of_runs(), row)) -%}
        {%- if not reason -%}
            {%- set is_newest = last.run_number == number - 1 -%}
            {%- if is_newest and as_of == last.as_of and is_whole(last.run_number) and has_nothing_landed(last.run_number, number) -%}
                {%- do tell_this_invocation(is_full=batch_is_full(), nothing_is_new=true) -%}
                {%- do log('[increment] nothing is new since ' ~ as_of ~ ' UTC: the marts stay as they are', info=true) -%}
            {%- else -%}
                {%- do prepare_new_rows(last.run_number, last.as_of, number) -%}
            {%- endif -%}
        {%- elif number > 1 -%}
            {#- That a first build holds everything is no news. -#}
            {%- do log('[increment] every lead is rebuilt: ' ~ reason, info=true) -%}
        {%- endif -%}
        {{ return(reason != '') }}
    {%- endif -%}
    {{ return(not var('compile_as_increment', false)) }}
{%- endmacro %}

{% macro columns_of_runs() -%}
    {{ return(['run_number', 'as_of', 'worked_by', 'since_run', 'since_as_of', 'is_full', 'reason']) }}
{%- endmacro %}

{#- A row of it, as a query. A batch that goes on from no run holds every lead. -#}
{% macro row_of_runs(number, as_of, worked_by, since_run, since_as_of, reason) -%}
    {{ return('select ' ~ [
        number,
        'cast(' ~ (dbt.string_literal(as_of) if as_of else 'null') ~ ' as timestamp)',
        dbt.string_literal(dbt.escape_single_quotes(tojson(worked_by))),
        'cast(null as integer)' if since_run is none else since_run,
        'cast(' ~ (dbt.string_literal(since_as_of) if since_as_of else 'null') ~ ' as timestamp)',
        'true' if since_run is none else 'false',
        dbt.string_literal(dbt.escape_single_quotes(reason)),
    ] | join(', ')) }}
{%- endmacro %}

{#- The batch is made: a post-hook of stg_crm__batch. -#}
{% macro note_batch() -%}
    {%- if is_real_run() and kept_models() -%}
        {%- set opened = run_query('select is_full, ' ~ timestamp_text('since_as_of') ~ ' from increments.opened').rows[0] -%}
        {%- do tell_this_invocation(is_full=opened[0], nothing_is_new=false) -%}
        {%- if not opened[0] -%}
            {%- set leads = run_query('select count(*) from ' ~ this).rows[0][0] | int -%}
            {%- do log('[increment] ' ~ '{:,}'.format(leads) ~ (' lead is' if leads == 1 else ' leads are') ~ ' rebuilt, by what is new since ' ~ opened[1] ~ ' UTC', info=true) -%}
        {%- endif %}
        {{ remember('runs', columns_of_runs(), 'select ' ~ columns_of_runs() | join(', ') ~ ' from increments.opened') }}
    {%- endif -%}
{%- endmacro %}

{#- The newest run that every kept model has got to: its number, `as_of` and what it worked by; none where one has got to none. -#}
{% macro last_run_done_by_all() -%}
    {%- set done = {} -%}
    {%- for row in run_query('select model_name, max(run_number) from increments.done group by model_name').rows -%}
        {%- do done.update({row[0]: row[1] | int}) -%}
    {%- endfor -%}
    {%- set numbers = [] -%}
    {%- for node in kept_models() -%}
        {%- do numbers.append(done.get(node.name, 0) if adapter.get_relation(node.database, node.schema, node.alias) else 0) -%}
    {%- endfor -%}
    {#- And what builds upon itself, or is read as it stands, has to be there. -#}
    {%- set as_they_stand = modules.re.findall("as_it_stands\\('(\\w+)'\\)", model.raw_code) -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' and ('as_it_was(' in node.raw_code or node.name in as_they_stand) and not adapter.get_relation(node.database, node.schema, node.alias) -%}
        {%- do numbers.append(0) -%}
    {%- endfor -%}
    {{ return(runs_where('run_number = ' ~ (numbers | min)) | first | default(none)) }}
{%- endmacro %}

{#- Some of the runs, in their order: number, `as_of`, what they worked by, and from which run they went on. -#}
{% macro runs_where(condition) -%}
    {%- set runs = [] -%}
    {%- for row in run_query(
        'select run_number, ' ~ timestamp_text('as_of') ~ ', worked_by, since_run, ' ~ timestamp_text('since_as_of')
        ~ ' from increments.runs where ' ~ condition ~ ' order by run_number'
    ).rows -%}
        {%- do runs.append({
            'run_number': row[0] | int,
            'as_of': instant_as_text(row[1]),
            'worked_by': fromjson(row[2]),
            'since_run': row[3] | int if row[3] is not none else none,
            'since_as_of': instant_as_text(row[4]),
        }) -%}
    {%- endfor -%}
    {{ return(runs) }}
{%- endmacro %}

{#- dbt makes instants of texts that look like one. -#}
{% macro instant_as_text(value) -%}
    {{ return(value | string if value else none) }}
{%- endmacro %}

{#-
  Why every lead has to be rebuilt, as the end of a sentence; empty where what is new is enough. Runs after the last one that all
  have got to broke off, or made some models alone: what those hold must not be of a later instant, of another agreement or of
  files that are gone, either.
-#}
{% macro why_everything(last, worked_by, as_of, number) -%}
    {%- if flags.FULL_REFRESH -%}
        {{ return('a full refresh was asked for') }}
    {%- elif last is none -%}
        {{ return('a kept model is missing, or has not been built to its end before') }}
    {%- endif -%}
    {%- for run in [last] + runs_where('run_number > ' ~ last.run_number) -%}
        {%- if not as_of or not run.as_of -%}
            {{ return('nothing had been loaded') }}
        {%- elif as_of < run.as_of -%}
            {{ return('as_of moves back from ' ~ run.as_of ~ ' to ' ~ as_of) }}
        {%- endif -%}
        {%- set changed = what_differs(worked_by, run.worked_by) -%}
        {%- if changed -%}
            {{ return(changed | join(', ') ~ (' has' if changed | length == 1 else ' have') ~ ' changed since the last run') }}
        {%- endif -%}
        {%- set gone = what_is_gone(run.run_number, run.as_of, number) -%}
        {%- if gone -%}
            {{ return(gone) }}
        {%- endif -%}
    {%- endfor -%}
    {{ return('') }}
{%- endmacro %}

{#- The names of what has another mark now than it had then. -#}
{% macro what_differs(now, then) -%}
    {%- set changed = [] -%}
    {%- for what, mark in now.items() if then.get(what) != mark -%}
        {%- do changed.append(what) -%}
    {%- endfor -%}
    {{ return(changed) }}
{%- endmacro %}

{% macro seed_as_it_stands(name) -%}
    {{ graph.nodes['seed.' ~ project_name ~ '.' ~ name].relation_name }}
{%- endmacro %}

{#- What the kept facts are made by, besides the raw tables: a mapping of its name to the mark by which a change is seen. -#}
{% macro what_is_worked_by() -%}
    {%- set marks = {} -%}
    {%- for seed in seeds_of_kept_facts() -%}
        {%- set lines = [] -%}
        {%- for row in run_query('select * from ' ~ seed_as_it_stands(seed)).rows -%}
            {%- do lines.append(row.values() | map('string') | join('|')) -%}
        {%- endfor -%}
        {%- do marks.update({'seed ' ~ seed: local_md5(lines | sort | join('\n'))}) -%}
    {%- endfor -%}
    {%- for name in ['reporting_time_zone', 'default_calendar'] -%}
        {%- do marks.update({'var ' ~ name: local_md5(var(name) | string)}) -%}
    {%- endfor -%}
    {#- Another version of the engine may have another hash; DuckDB has one for short texts and one for long ones. -#}
    {%- set hashes = [] -%}
    {%- for id in ['short id', 'an id of more than twelve bytes'] -%}
        {%- do hashes.append('cast(' ~ stand_in(dbt.string_literal(id)) ~ ' as ' ~ dbt.type_string() ~ ')') -%}
    {%- endfor -%}
    {%- set hashed = run_query('select ' ~ hashes | join(', ')).rows[0].values() -%}
    {%- do marks.update({'what the engine has stand in for an id': hashed | join(' ')}) -%}
    {#- With it models hold no rows, whatever has landed: good for trying whether the SQL runs, and nothing to go on from. -#}
    {%- do marks.update({"dbt's option --empty": 'given' if flags.EMPTY else 'not given'}) -%}
    {%- set code = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' -%}
        {%- do code.append(node.name ~ ' ' ~ node.checksum.checksum) -%}
    {%- endfor -%}
    {%- for name, macro in context[project_name].items() -%}
        {%- do code.append(name ~ ' ' ~ macro.macro.macro_sql) -%}
    {%- endfor -%}
    {%- do marks.update({'the code of the project': local_md5(code | sort | join('\n'))}) -%}
    {{ return(marks) }}
{%- endmacro %}

{#- What the models that are not kept are made by, besides all that the kept ones are. -#}
{% macro what_else_is_worked_by() -%}
    {%- set marks = [] -%}
    {%- for name in ['pacing', 'pace_tolerance'] -%}
        {%- do marks.append(var(name) | string) -%}
    {%- endfor -%}
    {%- for row in run_query('select * from ' ~ seed_as_it_stands('marketing_targets')).rows -%}
        {%- do marks.append(row.values() | map('string') | join('|')) -%}
    {%- endfor -%}
    {#- Types, keys and descriptions. -#}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' -%}
        {%- do marks.append(tojson([node.name, node.schema, node.description, node.config.materialized, node.constraints, node.columns])) -%}
    {%- endfor -%}
    {{ return(local_md5(marks | sort | join('\n'))) }}
{%- endmacro %}

{#- Whether every model was made in a run; and whether it was by what they would be made by now. -#}
{% macro was_whole(number) -%}
    {{ return(run_query('select 1 from increments.whole where run_number = ' ~ number).rows | length > 0) }}
{%- endmacro %}

{% macro is_whole(number) -%}
    {%- set rows = run_query('select worked_by from increments.whole where run_number = ' ~ number).rows -%}
    {{ return(rows | length > 0 and rows[0][0] == what_else_is_worked_by()) }}
{%- endmacro %}

{#- Notes which models this invocation has made, from the results of its nodes, and whether these are all; at its end. -#}
{% macro note_whole_run(results) -%}
    {%- if execute and flags.WHICH in ['build', 'run'] and kept_models() and not nothing_is_new() -%}
        {%- set made = [] -%}
        {%- for result in results if result.node.resource_type == 'model' and result.status | string == 'success' -%}
            {%- do made.append(result.node.name) -%}
        {%- endfor -%}
        {%- set number = run_query('select max(run_number) from increments.runs').rows[0][0] -%}
        {%- if made and number and not told_in_this_invocation() -%}
            {%- do note_other_marks(number) -%}
        {%- endif -%}
        {%- if made and number -%}
            {%- do run_query(remember(
                'made', ['run_number', 'models'],
                'select ' ~ number ~ ', ' ~ dbt.string_literal((made + made_before(number)) | unique | sort | join(' '))
            )) -%}
        {%- endif -%}
        {%- set missing = graph.nodes.values() | selectattr('resource_type', 'equalto', 'model') | rejectattr('name', 'in', made) | list -%}
        {%- if not missing -%}
            {%- do run_query(remember(
                'whole', ['run_number', 'worked_by'],
                'select max(run_number), ' ~ dbt.string_literal(what_else_is_worked_by()) ~ ' from increments.runs'
            )) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#-
  Chosen models were made without a batch of their own, of what the last one has left. Where they were made by something else than
  it was (a seed, a var or a model that was changed, to be tried), they are a run of their own, that is not whole: so the next
  run notices, also where the change has been taken back by then.
-#}
{% macro note_other_marks(number) -%}
    {%- set last = runs_where('run_number = ' ~ number) | first -%}
    {%- set worked_by = what_is_worked_by() -%}
    {%- set clocks = run_query('select ' ~ timestamp_text('as_of') ~ ' from ' ~ as_it_stands('stg_crm__clock')).rows -%}
    {%- set as_of = instant_as_text(clocks[0][0] if clocks else none) -%}
    {%- if as_of != last.as_of or what_differs(worked_by, last.worked_by) or (was_whole(number) and not is_whole(number)) -%}
        {%- do note_what_landed(number + 1, as_of) -%}
        {%- do run_query(remember(
            'runs', columns_of_runs(), row_of_runs(number + 1, as_of, worked_by, last.since_run, last.since_as_of, 'chosen models were made by something else')
        )) -%}
    {%- endif -%}
{%- endmacro %}

{#- The models that earlier invocations have made in a run. -#}
{% macro made_before(number) -%}
    {%- set made = [] -%}
    {%- for row in run_query('select models from increments.made where run_number = ' ~ number).rows -%}
        {%- do made.extend(row[0].split(' ')) -%}
    {%- endfor -%}
    {{ return(made) }}
{%- endmacro %}

{#-
  Whether every model that this one is made of was made in the run of the batch: by this invocation, or by one before it. It
  need not be where models are chosen (`--select`): then what this one holds of the batch's leads may be of another day, and
  the next run has to take them again.
-#}
{% macro is_made_of_this_batch() -%}
    {%- set behind = [] -%}
    {%- do gather_models_behind(model.depends_on.nodes, behind) -%}
    {%- set open = behind | reject('in', made_in_this_invocation()) | list -%}
    {%- if open -%}
        {%- set open = open | reject('in', made_before(run_query('select max(run_number) from increments.runs').rows[0][0])) | list -%}
    {%- endif -%}
    {{ return(open == []) }}
{%- endmacro %}

{% macro gather_models_behind(nodes, found) -%}
    {%- for id in nodes -%}
        {%- set node = graph.nodes.get(id) -%}
        {%- if node and node.resource_type == 'model' and node.name not in found -%}
            {%- do found.append(node.name) -%}
            {%- do gather_models_behind(node.depends_on.nodes, found) -%}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}

{#- The models that this invocation has made so far: a list that all its nodes share. -#}
{% macro made_in_this_invocation() -%}
    {{ return(graph.setdefault('made in ' ~ invocation_id, [])) }}
{%- endmacro %}

{#- Whether it has made a model; and so it is where nothing is built, in a compilation or a unit test. -#}
{% macro is_made_now(name) -%}
    {{ return(not is_real_run() or name in made_in_this_invocation()) }}
{%- endmacro %}

{#- Whether this invocation has found nothing new, so that every model may stay as it is. -#}
{% macro nothing_is_new() -%}
    {%- if not execute or flags.WHICH not in ['build', 'run'] or not kept_models() -%}
        {{ return(false) }}
    {%- endif -%}
    {{ return(told_in_this_invocation().nothing_is_new | default(false)) }}
{%- endmacro %}

{#-
  What this invocation of dbt has found out about its batch: no model has to ask the engine once more. `graph` is what all nodes
  of an invocation share; empty where the batch was made by another one, or is still to be made.
-#}
{% macro tell_this_invocation(is_full, nothing_is_new) -%}
    {%- do graph.update({'batch': {'invocation': invocation_id, 'is_full': is_full, 'nothing_is_new': nothing_is_new}}) -%}
{%- endmacro %}

{% macro told_in_this_invocation() -%}
    {%- set batch = graph.get('batch', {}) -%}
    {{ return(batch if batch.invocation == invocation_id else {}) }}
{%- endmacro %}

{#- Whether models are built: not in a compilation, and not in a unit test. -#}
{% macro is_real_run() -%}
    {{ return(execute and flags.WHICH in ['build', 'run'] and model.resource_type == 'model') }}
{%- endmacro %}

{#- Whether the last batch holds every lead. -#}
{% macro batch_is_full() -%}
    {%- if not kept_models() -%}
        {{ return(true) }}
    {%- endif -%}
    {%- set told = told_in_this_invocation() -%}
    {%- if told -%}
        {{ return(told.is_full) }}
    {%- endif -%}
    {%- set rows = run_query('select is_full from increments.runs order by run_number desc limit 1').rows -%}
    {{ return(not rows or rows[0][0]) }}
{%- endmacro %}

{#- dbt asks this of an incremental model. It is made anew where the batch is everything, and never where it is not: it would lose all other leads. -#}
{% macro should_full_refresh() -%}
    {%- if not is_real_run() or model.config.materialized != 'incremental' -%}
        {{ return(flags.FULL_REFRESH) }}
    {%- endif -%}
    {%- set is_full = batch_is_full() -%}
    {%- if flags.FULL_REFRESH and not is_full -%}
        {{ exceptions.raise_compiler_error(
            model.name ~ ' cannot be refreshed alone: the models before it hold the leads of the last run only.'
            ~ ' Refresh the whole project: dbt build --full-refresh'
        ) }}
    {%- elif not is_full and not load_cached_relation(this) -%}
        {{ exceptions.raise_compiler_error(
            model.name ~ ' is missing, and cannot be made alone: the models before it hold the leads of the last run only.'
            ~ ' Build the whole project (dbt build), which then rebuilds every lead'
        ) }}
    {%- endif -%}
    {{ return(is_full) }}
{%- endmacro %}

{#- A model is made: a post-hook. A kept one has got to the end of this batch, which is noted in the transaction that writes its rows. -#}
{% macro note_increment() -%}
    {%- if is_real_run() -%}
        {%- do made_in_this_invocation().append(model.name) -%}
    {%- endif -%}
    {%- if model.config.materialized == 'incremental' -%}
        {{ adapter.dispatch('note_increment', 'lead_sla')() }}
    {%- endif -%}
{%- endmacro %}

{#- Where what it is made of is not of this batch, it stays where the batch began. -#}
{% macro default__note_increment() -%}
    {%- set reached = 'run_number' if is_made_of_this_batch() else 'since_run' -%}
    {{ remember(
        'done', ['model_name', 'run_number'],
        'select ' ~ dbt.string_literal(model.name) ~ ', ' ~ reached ~ ' from increments.runs'
        ~ ' where run_number = (select max(run_number) from increments.runs) and ' ~ reached ~ ' is not null'
    ) }}
{%- endmacro %}

{#-
  The incremental strategy of the kept models: what they hold of the leads of the batch is replaced, and so are the rows that
  a model's `incremental_predicates` name, which change with the clock alone.
-#}
{% macro get_incremental_replace_leads_sql(arg_dict) -%}
    {%- set columns = get_quoted_csv(arg_dict.dest_columns | map(attribute='name')) -%}
    {% for rows in [lead_is_among(batch_relation())] + (arg_dict.incremental_predicates or []) -%}
        delete from {{ arg_dict.target_relation }} where {{ rows }};
    {% endfor -%}
    insert into {{ arg_dict.target_relation }} ({{ columns }})
    select {{ columns }} from {{ arg_dict.temp_relation }}
{%- endmacro %}
