"""Turns a dashboard's specification into Grafana's JSON, with the types of grafana-foundation-sdk.

Owns what all dashboards have in common: place on the grid, data source variable, links, annotations, ids.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from grafana_foundation_sdk.builders import bargauge, common, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import prometheus as queries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as words
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.specification import Dashboard, Kind, Panel, Query, Row, Step, Unit, Variable, Word

GRID_COLUMNS = 24
TAG = "signalbox"
RUNBOOKS = "docs/runbooks"
"""Where a link to a runbook goes until somebody sets the variable `runbooks` to the address of that folder."""
DATASOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
GRAFANA = models.DataSourceRef(type_val="grafana", uid="-- Grafana --")
ANNOTATION_COLORS = {"fill": "green", "trading-state": "red", "limit": "orange", "link": "purple"}

Drawn = stat.Panel | timeseries.Panel | table.Panel | bargauge.Panel | statetimeline.Panel
BUILDERS: dict[Kind, type[Drawn]] = {
    Kind.NUMBER: stat.Panel,
    Kind.LINES: timeseries.Panel,
    Kind.TABLE: table.Panel,
    Kind.BARS: bargauge.Panel,
    Kind.STATES: statetimeline.Panel,
}


def draw(dashboard: Dashboard) -> str:
    """The dashboard's JSON, as it is committed and provisioned."""
    builder = (
        builders.Dashboard(dashboard.title)
        .uid(dashboard.uid)
        .description(dashboard.about)
        .tags([TAG])
        .timezone("utc")
        .time("now-6h", "now")
        .refresh("10s")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .readonly()
        .with_variable(builders.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    )
    for variable in dashboard.variables:
        builder = builder.with_variable(_variable(variable))
    builder = builder.with_variable(
        builders.TextBoxVariable("runbooks")
        .label("Runbooks at")
        .default_value(RUNBOOKS)
        .hide(models.VariableHide.HIDE_VARIABLE)
    )
    builder = builder.link(
        builders.DashboardLink("Signalbox")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .include_vars(True)
        .keep_time(True)
    )
    for tag in dashboard.annotations:
        builder = builder.annotation(_annotation(tag))
    model = builder.build()
    model.panels = list(_placed(dashboard.rows))
    return json.dumps(model, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _variable(variable: Variable) -> builders.QueryVariable:
    query = f"label_values({variable.metric}, {variable.label})"
    return (
        builders.QueryVariable(variable.name)
        .label(variable.title)
        .datasource(DATASOURCE)
        .query({"query": query, "refId": f"variable-{variable.name}"})
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(models.VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def _annotation(tag: str) -> builders.AnnotationQuery:
    target = builders.AnnotationTarget().type("tags").tags([TAG, tag]).match_any(False).limit(200)
    return (
        builders.AnnotationQuery()
        .name(tag)
        .datasource(GRAFANA)
        .enable(True)
        .hide(False)
        .icon_color(ANNOTATION_COLORS[tag])
        .target(target)
    )


# --------------------------------------------------------------------------------------------------- place on the grid


def _placed(rows: tuple[Row, ...]) -> Iterator[models.Panel | models.RowPanel]:
    """Rows from top to bottom; within one, panels from left to right, on the next line where the width is used up."""
    y, number = 0, 0
    for row in rows:
        number += 1
        place = models.GridPos(x=0, y=y, w=GRID_COLUMNS, h=1)
        yield builders.Row(row.title).id(number).grid_pos(place).collapsed(False).build()
        y, x, tallest = y + 1, 0, 0
        for panel in row.panels:
            if x + panel.width > GRID_COLUMNS:
                y, x, tallest = y + tallest, 0, 0
            number += 1
            yield _panel(panel, number, models.GridPos(x=x, y=y, w=panel.width, h=panel.height))
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest


# --------------------------------------------------------------------------------------------------------- one panel


def _panel(panel: Panel, number: int, place: models.GridPos) -> models.Panel:
    drawn: Drawn = BUILDERS[panel.kind]()
    drawn = drawn.id(number).title(panel.title).description(_description(panel)).datasource(DATASOURCE).grid_pos(place)
    drawn = drawn.unit(panel.unit).thresholds(_thresholds(panel.steps)).links(list(_links(panel)))
    drawn = drawn.color_scheme(builders.FieldColor().mode(_color_mode(panel)))
    for letter, query in zip("ABCDEFGHIJKLMNOP", panel.queries, strict=False):
        drawn = drawn.with_target(_target(panel, query, letter))
    if panel.words:
        drawn = drawn.mappings([_mapping(panel.words)])
    if panel.minimum is not None:
        drawn = drawn.min(panel.minimum)
    if panel.maximum is not None:
        drawn = drawn.max(panel.maximum)
    if panel.decimals is not None:
        drawn = drawn.decimals(panel.decimals)
    if panel.nothing:
        drawn = drawn.no_value(panel.nothing)
    return _shaped(drawn, panel).build()


def _description(panel: Panel) -> str:
    return f"{panel.about}\n\nRunbook: docs/runbooks/{panel.runbook}.md" if panel.runbook else panel.about


def _links(panel: Panel) -> Iterator[builders.DashboardLink]:
    if panel.more:
        address = f"/d/{panel.more}?${{__url_time_range}}&${{__all_variables}}"
        yield builders.DashboardLink("In detail").type(models.DashboardLinkType.LINK).url(address)
    if panel.runbook:
        address = f"${{runbooks}}/{panel.runbook}.md"
        yield builders.DashboardLink("Runbook").type(models.DashboardLinkType.LINK).url(address).target_blank(True)


def _target(panel: Panel, query: Query, letter: str) -> queries.Dataquery:
    target = queries.Dataquery().ref_id(letter).expr(query.expression).datasource(DATASOURCE)
    if query.legend:
        target = target.legend_format(query.legend)
    if panel.kind in (Kind.LINES, Kind.STATES):
        return target.range()
    target = target.instant()
    if panel.kind is Kind.TABLE:
        target = target.format(PromQueryFormat.TABLE)
    return target.format(PromQueryFormat.HEATMAP) if query.buckets else target


def _thresholds(steps: tuple[Step, ...]) -> builders.ThresholdsConfig:
    drawn = [models.Threshold(value=step.value, color=step.color) for step in steps]
    return builders.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(drawn)


def _color_mode(panel: Panel) -> models.FieldColorModeId:
    if panel.kind is Kind.LINES:
        return models.FieldColorModeId.PALETTE_CLASSIC
    return models.FieldColorModeId.THRESHOLDS


def _mapping(names: dict[int, Word]) -> models.ValueMap:
    results = {
        str(value): models.ValueMappingResult(text=word.text, color=word.color, index=index)
        for index, (value, word) in enumerate(names.items())
    }
    return models.ValueMap(options=results)


def _last_value() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False)


def _shaped(drawn: Drawn, panel: Panel) -> Drawn:
    """What only one kind of panel has."""
    if isinstance(drawn, stat.Panel):
        drawn = drawn.reduce_options(_last_value()).graph_mode(words.BigValueGraphMode.NONE)
        return drawn.color_mode(words.BigValueColorMode.BACKGROUND).text_mode(words.BigValueTextMode.AUTO)
    if isinstance(drawn, bargauge.Panel):
        drawn = drawn.reduce_options(_last_value()).orientation(words.VizOrientation.HORIZONTAL)
        return drawn.display_mode(words.BarGaugeDisplayMode.GRADIENT)
    if isinstance(drawn, statetimeline.Panel):
        return drawn.show_value(words.VisibilityMode.AUTO).fill_opacity(80).row_height(0.9)
    if isinstance(drawn, timeseries.Panel):
        return _lines(drawn, panel)
    return _table(drawn, panel)


def _lines(drawn: timeseries.Panel, panel: Panel) -> timeseries.Panel:
    legend = common.VizLegendOptions().show_legend(True).display_mode(words.LegendDisplayMode.LIST)
    drawn = drawn.legend(legend.placement(words.LegendPlacement.BOTTOM)).line_width(1).fill_opacity(8)
    drawn = drawn.tooltip(common.VizTooltipOptions().mode(words.TooltipDisplayMode.MULTI))
    drawn = drawn.show_points(words.VisibilityMode.AUTO)
    if len(panel.steps) > 1:
        style = common.GraphThresholdsStyleConfig().mode(words.GraphTresholdsStyleMode.DASHED)
        drawn = drawn.thresholds_style(style)
    if panel.stacked:
        drawn = drawn.stacking(common.StackingConfig().mode(words.StackingMode.NORMAL)).fill_opacity(40)
    return drawn


def _table(drawn: table.Panel, panel: Panel) -> table.Panel:
    """One line for each set of labels: the queries' frames are merged, their values named by the queries' legends."""
    alone = len(panel.queries) == 1
    values = {
        ("Value" if alone else f"Value #{letter}"): query
        for letter, query in zip("ABCDEFGHIJ", panel.queries, strict=False)
    }
    names = dict(panel.labels) | {value: query.legend for value, query in values.items() if query.legend}
    hidden = {"Time": True} | {value: True for value, query in values.items() if not query.legend}
    order = {name: index for index, name in enumerate([*dict(panel.labels), *values])}
    organize = {"excludeByName": hidden, "indexByName": order, "renameByName": names}
    drawn = drawn.with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
    drawn = drawn.with_transformation(models.DataTransformerConfig(id_val="organize", options=organize))
    for query in panel.queries:
        if query.legend:
            drawn = drawn.override_by_name(query.legend, list(_column(query)))
    for _, heading in panel.labels:
        drawn = drawn.override_by_name(heading, [models.DynamicConfigValue(id_val="unit", value=Unit.TEXT)])
    if panel.sort_by:
        drawn = drawn.sort_by([common.TableSortByFieldState().display_name(panel.sort_by).desc(True)])
    return drawn.show_header(True)


def _column(query: Query) -> Iterator[models.DynamicConfigValue]:
    if query.unit is not None:
        yield models.DynamicConfigValue(id_val="unit", value=query.unit)
    if query.words is not None:
        yield models.DynamicConfigValue(id_val="mappings", value=[_mapping(query.words)])
    if query.steps:
        yield models.DynamicConfigValue(id_val="thresholds", value=_thresholds(query.steps).build())
        yield models.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-text"})
