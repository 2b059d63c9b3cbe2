"""The marts of the olist company give the published counts again (tests/real/olist/README.md says how they are mapped)."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from real_company import PROJECT, REAL_DATA, Company, build_company

pytestmark = pytest.mark.real

ZONE = ZoneInfo("America/Sao_Paulo")
VARIABLES = {"reporting_time_zone": "America/Sao_Paulo"}

# The source beside the marts, read without the mapping.
SOURCE = """
create temp view source_leads as
select mql_id as lead_id, first_contact_date as requested_on, origin as lead_source, won_date as won_at
from read_csv('{data}/olist_marketing_qualified_leads_dataset.csv') as requests
left join read_csv('{data}/olist_closed_deals_dataset.csv') as wins using (mql_id)
"""


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    built = build_company("olist", tmp_path_factory.mktemp("olist"), VARIABLES)
    built.marts.execute(SOURCE.format(data=REAL_DATA / "olist"))
    yield built
    built.marts.close()


def local(instant: datetime) -> datetime:
    """The wall-clock time in São Paulo of a UTC timestamp without a zone."""
    return instant.replace(tzinfo=UTC).astimezone(ZONE).replace(tzinfo=None)


def test_the_source_has_its_published_oddities_and_no_day_moves(company: Company) -> None:
    assert company.findings == {
        "highest_declared_revenue": 50_000_000,
        "won_times_at_two_or_three_sharp": 61,
        "won_times_at_local_midnight": 61,
        "requests_moved_to_another_day": 0,
    }


def test_the_funnel_gives_842_won_of_8000_and_keeps_the_literal_unknown_apart_from_null(company: Company) -> None:
    funnel = company.rows(
        "select lead_source, sum(leads), sum(won) from marts.fct_funnel_monthly group by all order by all"
    )
    assert funnel == company.rows(
        "select lead_source, count(*), count(won_at) from source_leads group by all order by all"
    )
    by_source = {source: (leads, won) for source, leads, won in funnel}
    assert by_source["paid_search"] == (1586, 195)
    assert by_source["unknown"] == (1099, 179)
    assert by_source[None] == (60, 14)
    assert tuple(map(sum, zip(*by_source.values(), strict=True))) == (8000, 842)


def test_the_funnel_gives_the_months_of_the_bare_days(company: Company) -> None:
    months = "select created_month, sum(leads), sum(won) from marts.fct_funnel_monthly group by all order by all"
    assert company.rows(months) == company.rows(
        "select cast(date_trunc('month', requested_on) as date), count(*), count(won_at) from source_leads group by all order by all"
    )


def test_won_times_are_those_of_the_source(company: Company) -> None:
    assert company.rows("select lead_id, won_at from marts.dim_leads order by all") == company.rows(
        "select lead_id, won_at from source_leads order by all"
    )


def test_61_bare_won_days_are_midnights_in_brazil(company: Company) -> None:
    won = company.rows("select won_at from marts.dim_leads where won_at is not null")
    assert sum(local(won_at).time() == time(0) for (won_at,) in won) == 61


def test_a_lead_won_before_it_came_or_as_it_came_owes_nobody_anything(company: Company) -> None:
    assert company.value("select count(*) from marts.dim_leads where won_at < created_at") == 1
    assert company.value("select count(*) from marts.dim_leads where won_at = created_at") == 5
    without_obligation = """
    select count(*), count(*) filter (won_at <= created_at)
    from marts.dim_leads anti join marts.fct_sales_sla_obligations using (lead_id)
    """
    assert company.rows(without_obligation) == [(6, 6)]


def test_obligations_fall_due_when_the_first_working_day_closes(company: Company) -> None:
    holidays = np.loadtxt(
        PROJECT / "tests/real/olist/policy/holidays.csv", delimiter=",", skiprows=1, usecols=1, dtype="datetime64[D]"
    )
    rows = company.rows(
        "select requested_on, due_at from marts.fct_sales_sla_obligations inner join source_leads using (lead_id)"
    )
    requested = np.array([requested_on for requested_on, _ in rows], dtype="datetime64[D]")
    working_days = np.busday_offset(requested, 0, roll="forward", holidays=holidays).astype(object)
    assert [local(due_at) for _, due_at in rows] == [datetime.combine(day, time(19)) for day in working_days]


def test_without_a_logged_touch_only_a_win_ends_an_obligation(company: Company) -> None:
    rows = company.rows(
        "select status, due_at, won_at, cancelled_at, touches_total from marts.fct_sales_sla_obligations inner join source_leads using (lead_id)"
    )
    assert Counter(status for status, *_ in rows) == Counter(
        "violating" if won_at is None else "cancelled" if won_at <= due_at else "closed"
        for _, due_at, won_at, *_ in rows
    )
    assert all(cancelled_at == won_at and touches == 0 for _, _, won_at, cancelled_at, touches in rows)


def test_every_lead_not_won_is_on_the_list_as_nobodys(company: Company) -> None:
    listed = company.rows(
        "select lead_id, responsible_rep_id, current_owner_id from marts.do_not_be_on_it order by all"
    )
    assert listed == company.rows(
        "select lead_id, 'unassigned', null from source_leads where won_at is null order by all"
    )
    assert len(listed) == 8000 - 842


def test_a_lead_belongs_to_the_winner_from_the_win_on(company: Company) -> None:
    owned = "select count(*) from marts.dim_leads where owner_id is not null"
    assert company.value(owned) == 842
    responsible = "select distinct responsible_rep_id from marts.fct_sales_sla_obligations where due_at <= coalesce(cancelled_at, due_at)"
    assert company.rows(responsible) == [("unassigned",)]


def test_without_a_number_of_employees_nobody_has_a_persona_or_qualifies(company: Company) -> None:
    assert company.rows("select distinct persona, journey_stage, is_qualified from marts.dim_leads") == [
        ("unknown", "solution_research", False)
    ]
    assert company.value("select count(*) from marts.fct_qualified_leads") == 0
    assert company.value("select count(*) from marts.fct_marketing_credits") == 0


def test_without_a_logged_touch_the_speed_to_lead_is_never(company: Company) -> None:
    assert company.rows(
        "select speed_band, count(*), count(elapsed_minutes) from marts.fct_speed_to_lead group by all"
    ) == [("never", 8000, 0)]


def test_a_declared_revenue_is_no_price(company: Company) -> None:
    assert company.rows("select sum(deals), coalesce(sum(won_value_usd), 0) from marts.fct_funnel_monthly") == [
        (842, 0)
    ]


def test_no_test_complains_but_of_promises(company: Company) -> None:
    warnings = company.warnings()
    # The last lead came half a year before the last win: nothing fell due lately, which is a finding and no pass.
    assert warnings["sales_keeps_new_lead_touch"] == 1
    assert all(test.startswith(("sales_keeps_", "marketing_keeps_")) for test in warnings)


def test_the_clock_stops_when_the_data_end(company: Company) -> None:
    last_win = company.value("select max(won_at) from source_leads")
    assert isinstance(last_win, datetime)
    midnight = datetime.combine(local(last_win).date() + timedelta(days=1), time(0), tzinfo=ZONE)
    assert company.value("select as_of from marts.run_metadata") == midnight.astimezone(UTC).replace(tzinfo=None)
