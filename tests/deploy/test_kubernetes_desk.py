"""What the manifests say fits what the desk's code reads, and the network policies let through just that."""

from __future__ import annotations

import importlib
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from signalbox.accounts import password_variable
from signalbox.bus.bootstrap import USERS, complete_seals
from signalbox.desk import load_desk
from signalbox.errors import ConfigurationError
from signalbox.services import SERVICES
from signalbox.setting_names import KNOWN
from signalbox.settings import Secret, load
from signalbox.streams import BAR_PARTITIONS, STREAMS
from signalbox_cli import simulated_venues
from signalbox_cli.__main__ import build_parser
from signalbox_cli.cluster_credentials import PEOPLE, PEOPLE_FILE, wanted

from . import manifest_rules
from .copies import copies
from .manifests import (
    COMPONENTS,
    K8S,
    ROOT,
    WORKLOADS,
    Object,
    called,
    containers,
    environment,
    names,
    of_kind,
    pod_of,
    projected,
    referenced,
    rendered,
    workload,
)
from .network import OUTSIDE, may_speak

LIVE_DESK = K8S / "overlays/live/desk.toml"
LIVE_ACCOUNTS = {"ibkr": "U1234567", "dydx": simulated_venues.TEST_ACCOUNT}


@pytest.fixture(params=["paper", "live"])
def everything(request: pytest.FixtureRequest) -> tuple[Object, ...]:
    """An overlay with all components."""
    return rendered(request.param, COMPONENTS)


@pytest.mark.parametrize("service", SERVICES)
def test_service_gets_every_setting_that_it_needs_and_no_other(everything: tuple[Object, ...], service: str):
    settings = importlib.import_module(f"{service.replace('-', '_')}.settings").Settings
    [container] = containers(workload(everything, service))
    given = environment(container)
    fields = {f"SIGNALBOX_{name.upper()}" for name in settings.__struct_fields__}
    known = fields | {f"{name}_FILE" for name in fields}
    assert not given.keys() - known, "settings that the service does not have"
    optional = {
        f"SIGNALBOX_{name.upper()}" for name in settings.__struct_fields__[-len(settings.__struct_defaults__) :]
    }
    missing = {name for name in fields - optional if name not in given and f"{name}_FILE" not in given}
    assert not missing


def written_live_desk(folder: Path) -> Path:
    """The live desk file as somebody would complete it: with the example's limits, and accounts."""
    accounts = iter((LIVE_ACCOUNTS["ibkr"], LIVE_ACCOUNTS["dydx"]))
    text = re.sub(r"accounts = \[\]", lambda _: f'accounts = ["{next(accounts)}"]', LIVE_DESK.read_text())
    desk = folder / "desk.toml"
    desk.write_text(text + (ROOT / "deploy/desk.toml").read_text().partition("[limits]")[2].partition("\n")[2])
    return desk


@pytest.mark.parametrize("overlay", ["paper", "live"])
@pytest.mark.parametrize("venue", ["ibkr", "dydx"])
def test_gateway_accepts_what_the_overlay_says(overlay: str, venue: str, tmp_path: Path):
    desk = load_desk(ROOT / "deploy/desk.toml" if overlay == "paper" else written_live_desk(tmp_path))
    texts = {"mnemonic": simulated_venues.TEST_MNEMONIC, "account": LIVE_ACCOUNTS[venue], "password": "p1"}
    texts |= complete_seals({})
    [container] = containers(workload(rendered(overlay), f"gateway-{venue}"))
    given = {}
    for name, entry in environment(container).items():
        given[name] = entry.get("value", f"gateway-{venue}")
        if name.endswith("_FILE") and name != "SIGNALBOX_DESK_FILE":
            secret = tmp_path / Path(given[name]).name
            secret.write_text(texts[secret.name])
            secret.chmod(0o600)
            given[name] = str(secret)
    rules = importlib.import_module(f"gateway_{venue}.settings")
    settings = load(rules.Settings, given)
    if venue == "ibkr":
        assert rules.accounts_of(desk, settings) == desk.venues["ibkr"].accounts
    else:
        assert rules.subaccount_to_trade(desk, settings)
        assert rules.endpoints(settings).secure is (overlay == "live")


def test_commands_of_jobs_are_commands_of_the_command_line(everything: tuple[Object, ...]):
    for job in of_kind(everything, "Job"):
        [container] = containers(job)
        assert build_parser().parse_args(container["args"]).command == container["args"][0]


def test_nats_gets_the_password_of_every_user(everything: tuple[Object, ...]):
    [container] = containers(workload(everything, "nats"))
    given = environment(container)
    for user in USERS:
        source = given[password_variable(user)]["valueFrom"]["secretKeyRef"]
        assert source == {"name": f"nats-{user}", "key": "password"}


def test_nats_configuration_has_no_variable_that_the_pod_does_not_give(everything: tuple[Object, ...]):
    [container] = containers(workload(everything, "nats"))
    [config] = [each for each in of_kind(everything, "ConfigMap") if "nats.conf" in each["data"]]
    begin = Path(container["command"][container["command"].index("-c") + 1]).name
    read, wanted_variables = [begin], set()
    for name in read:
        text = re.sub(r"#.*", "", config["data"][name])
        read += re.findall(r'^include "?([\w.]+)', text, re.M)
        wanted_variables |= set(re.findall(r"(?<![\"\w.])\$([A-Z][A-Z0-9_]+)", text))
        wanted_variables -= set(re.findall(r"^([A-Z][A-Z0-9_]+):", text, re.M))  # given by the file itself
    assert "nats.conf" in read
    assert "POD_NAME" in wanted_variables
    assert wanted_variables <= environment(container).keys()


def test_every_file_that_nats_conf_includes_is_beside_it_and_people_are_of_a_secret(everything: tuple[Object, ...]):
    nats = workload(everything, "nats")
    [container] = containers(nats)
    [mount] = [each for each in container["volumeMounts"] if each["mountPath"] == "/etc/nats"]
    assert mount.get("readOnly") is True
    assert "subPath" not in mount, "a file that is mounted alone is never changed"
    maps = {each["metadata"]["name"]: each["data"] for each in of_kind(everything, "ConfigMap")}
    beside: dict[str, str] = {}
    for source in projected(nats):
        if "configMap" in source:
            beside |= dict.fromkeys(maps[source["configMap"]["name"]], "ConfigMap")
        else:
            beside |= {item["path"]: source["secret"]["name"] for item in source["secret"]["items"]}
    texts = [path.read_text() for path in (ROOT / "deploy/nats").glob("*.conf")]
    included = {name for text in texts for name in re.findall(r'^\s*include "([\w.]+)"', text, re.M)}
    assert {"accounts.conf", "people.conf"} <= included <= beside.keys()
    assert beside["people.conf"] == PEOPLE
    assert all(PEOPLE_FILE not in data for data in maps.values()), "an apply would let everybody out"


def test_no_manifest_holds_who_was_added(everything: tuple[Object, ...]):
    assert PEOPLE not in names(everything, "Secret")
    assert wanted()[PEOPLE].keys() == {PEOPLE_FILE}


def test_who_was_added_is_seen_by_nats_and_in_the_pod_of_people_and_nowhere_else(everything: tuple[Object, ...]):
    seen = {
        each["metadata"]["name"]
        for each in of_kind(everything, *WORKLOADS)
        if any(name == PEOPLE for name, _ in referenced(each, "Secret"))
    }
    assert seen == {"nats", "cli"}
    given = environment(containers(workload(everything, "cli"))[0])
    [volume] = [each for each in pod_of(workload(everything, "cli"))["volumes"] if each["name"] == "nats-people"]
    [mount] = [
        each for each in containers(workload(everything, "cli"))[0]["volumeMounts"] if each["name"] == "nats-people"
    ]
    assert volume["secret"]["secretName"] == PEOPLE
    assert given["SIGNALBOX_PEOPLE_FILE"]["value"] == f"{mount['mountPath']}/{PEOPLE_FILE}"


def test_variables_are_given_before_they_are_used(everything: tuple[Object, ...]):
    for each in of_kind(everything, *WORKLOADS):
        for container in containers(each):
            before: set[str] = set()
            for entry in container.get("env", []):
                assert set(re.findall(r"\$\((\w+)\)", entry.get("value", ""))) <= before, f"{called(each)}: {entry}"
                before.add(entry["name"])


def test_every_server_of_the_cluster_knows_every_other():
    nats = workload(rendered("live"), "nats")
    assert nats["spec"]["replicas"] == 3
    [container] = containers(nats)
    hosts = {f"@nats-{number}.{nats['spec']['serviceName']}:6222" for number in range(3)}
    routes = [text["value"] for name, text in environment(container).items() if name.startswith("NATS_ROUTE_")]
    assert {route[route.index("@") :] for route in routes} == hosts
    assert containers(workload(rendered("live"), "bootstrap"))[0]["args"][-2:] == ["--replicas", "3"]


def test_volume_of_nats_has_room_for_all_that_the_desk_may_store(everything: tuple[Object, ...]):
    found = re.search(r"^DESK_STORE_MAX: (\d+)GB$", (ROOT / "deploy/nats/nats.conf").read_text(), re.M)
    [claim] = workload(everything, "nats")["spec"]["volumeClaimTemplates"]
    gibibytes = int(claim["spec"]["resources"]["requests"]["storage"].removesuffix("Gi"))
    assert found is not None
    assert gibibytes * 2**30 >= 1.2 * int(found[1]) * 10**9, "and for a file system and what is being compacted"


def test_one_pod_owns_what_has_one_owner(everything: tuple[Object, ...]):
    for name in ("gateway-ibkr", "gateway-dydx", "recorder"):
        owner = workload(everything, name)
        assert (owner["kind"], owner["spec"]["replicas"]) == ("StatefulSet", 1)
        assert owner["spec"]["podManagementPolicy"] == "Parallel", "a pod that is never ready would not be replaced"


def test_each_server_of_three_has_the_time_to_send_its_clients_away():
    text = (ROOT / "deploy/nats/cluster.conf").read_text()
    lame = sum(int(seconds) for seconds in re.findall(r"^lame_duck_\w+: (\d+)s$", text, re.M))
    pod = workload(rendered("live"), "nats")["spec"]["template"]["spec"]
    assert 0 < lame + 10 < pod["terminationGracePeriodSeconds"]
    [container] = pod["containers"]
    pid_file = container["lifecycle"]["preStop"]["exec"]["command"][-1].rpartition("=")[2]
    assert f'pid_file: "{pid_file}"' in (ROOT / "deploy/nats/pod.conf").read_text()
    assert str(Path(pid_file).parent) in {mount["mountPath"] for mount in container["volumeMounts"]}


def test_a_single_server_ends_at_once_and_is_found_as_soon_as_it_is_back():
    [container] = workload(rendered("paper"), "nats")["spec"]["template"]["spec"]["containers"]
    assert "lifecycle" not in container, "a lame duck without others is a silent bus"
    assert "lame_duck" not in (ROOT / "deploy/nats/pod.conf").read_text()
    for probe in ("startupProbe", "readinessProbe"):
        assert container[probe]["periodSeconds"] == 1
    startup = container["startupProbe"]
    assert startup["failureThreshold"] * startup["periodSeconds"] >= 900, "a long store takes minutes to recover"


def test_what_is_done_is_still_there_to_be_deleted(everything: tuple[Object, ...]):
    for job in of_kind(everything, "Job"):
        assert "ttlSecondsAfterFinished" not in job["spec"], "`kubectl delete -k` would end with NotFound"


def test_commands_of_people_find_their_passwords_the_desk_file_and_the_books():
    [container] = containers(workload(rendered("paper"), "cli"))
    given = {name: entry["value"] for name, entry in environment(container).items()}
    [people] = [each for each in pod_of(workload(rendered("paper"), "cli"))["volumes"] if each["name"] == "people"]
    sources = [source["secret"] for source in people["projected"]["sources"]]
    files = {item["path"] for source in sources for item in source.get("items", [])}
    assert files == {"user", "operator", "auditor", "operator.seals"}
    [added] = [source for source in sources if "items" not in source]
    assert added == {"name": "people", "optional": True}, "nobody need have been added"
    assert given.keys() <= KNOWN
    assert given["SIGNALBOX_CREDENTIALS_FOLDER"] in {mount["mountPath"] for mount in container["volumeMounts"]}
    [simulators] = containers(workload(rendered("paper"), "simulators"))
    assert f"--control-port={given['SIGNALBOX_CONTROL'].rpartition(':')[2]}" in simulators["args"]


def test_secrets_of_the_paper_desk_are_made_by_a_job_that_can_only_create():
    objects = rendered("paper")
    [role] = of_kind(objects, "Role")
    assert role["rules"] == [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}]
    assert of_kind(objects, "Secret", "ClusterRole", "ClusterRoleBinding") == []


def test_live_brings_no_secret_and_nobody_who_makes_one():
    assert of_kind(rendered("live", COMPONENTS), "Secret", "Role", "RoleBinding", "ClusterRole") == []
    assert "simulators" not in names(rendered("live", COMPONENTS), "StatefulSet")


@pytest.mark.parametrize("path", copies(), ids=lambda path: path.name)
def test_copy_is_what_it_is_a_copy_of(path: Path):
    assert path.is_file(), f"{path} is missing: run `make docs`"
    assert path.read_text() == copies()[path], f"{path} is not up to date: run `make docs`"


def test_every_alert_and_dashboard_comes_with_the_component():
    objects = rendered("paper", ("monitoring",))
    written = [yaml.safe_load(path.read_text())["groups"] for path in (ROOT / "deploy/prometheus/rules").glob("*.yml")]
    assert written
    assert all(groups in [each["spec"]["groups"] for each in of_kind(objects, "PrometheusRule")] for groups in written)
    files = {path.name: path.read_text() for path in (ROOT / "deploy/grafana/dashboards").glob("*.json")}
    shown: dict[str, str] = {}
    for each in of_kind(objects, "ConfigMap"):
        if each["metadata"].get("labels", {}).get("grafana_dashboard") == "1":
            shown |= each["data"]
    assert files
    assert shown == files


def test_live_desk_file_refuses_until_accounts_and_limits_are_written(tmp_path: Path):
    with pytest.raises(ConfigurationError) as refused:
        load_desk(LIVE_DESK)
    said = str(refused.value)
    assert "accounts" in said
    assert all(f"limits.{name}" in said for name in tomllib.loads((ROOT / "deploy/desk.toml").read_text())["limits"])
    assert load_desk(written_live_desk(tmp_path)).mode == "live"


def test_scaler_asks_for_every_partition_and_starts_no_more_replicas_than_those():
    objects = rendered("paper", ("keda",))
    [scaler] = of_kind(objects, "ScaledObject")
    assert scaler["spec"]["maxReplicaCount"] == BAR_PARTITIONS
    [bars] = [stream for stream in STREAMS if stream.name == "BARS"]
    asked = {(trigger["metadata"]["stream"], trigger["metadata"]["consumer"]) for trigger in scaler["spec"]["triggers"]}
    shared = {each.name for each in bars.consumers if each.name.startswith("indicators")}
    assert asked == {("BARS", name) for name in shared}
    assert "replicas" not in workload(objects, "indicators")["spec"], "each apply would undo what the scaler did"
    [endpoint] = {trigger["metadata"]["natsServerMonitoringEndpoint"] for trigger in scaler["spec"]["triggers"]}
    host, port = endpoint.split(":")
    [peers] = [each for each in of_kind(objects, "Service") if each["metadata"]["name"] == host.split(".")[0]]
    assert int(port) in {each["port"] for each in peers["spec"]["ports"]}
    assert peers["spec"]["clusterIP"] == "None", "the scaler asks the server that leads, by its own name"


def test_secret_fields_are_never_plain_values(everything: tuple[Object, ...]):
    secret = {
        f"SIGNALBOX_{name.upper()}"
        for service in SERVICES
        for name, hint in importlib.import_module(
            f"{service.replace('-', '_')}.settings"
        ).Settings.__annotations__.items()
        if Secret.__name__ in str(hint)
    }
    for each in of_kind(everything, *WORKLOADS):
        for container in containers(each):
            assert not secret & environment(container).keys()
            assert "password" not in str(container.get("args", "")).replace("password-file", "").replace(
                "/password", ""
            )


# ------------------------------------------------------------------------------------------ who speaks to whom

PATHS = [
    ("risk", "nats", 4222, True),
    ("simulators", "nats", 4222, True),
    ("bootstrap", "nats", 4222, True),
    ("nats", "nats", 6222, True),
    ("keda", "nats", 8222, True),
    ("monitoring", "recorder", 8080, True),
    ("gateway-ibkr", "simulators", 4002, True),
    ("gateway-dydx", "simulators", 9090, True),
    ("gateway-dydx", "simulators", 3002, True),
    ("gateway-ibkr", OUTSIDE, 4001, True),
    ("gateway-dydx", OUTSIDE, 443, True),
    ("credentials", OUTSIDE, 6443, True),
    ("cli", "nats", 4222, True),
    ("cli", "simulators", 4003, True),
    ("cli", OUTSIDE, 9090, True),
    ("cli", OUTSIDE, 443, False),
    ("cli", "risk", 8080, False),
    ("cli", "simulators", 4002, False),
    ("risk", "simulators", 4003, False),
    ("gateway-ibkr", "simulators", 4003, False),
    ("risk", "nats", 6222, False),
    ("risk", "nats", 8222, False),
    ("risk", "oms", 8080, False),
    ("risk", "simulators", 4002, False),
    ("gateway-ibkr", "simulators", 9090, False),
    ("risk", OUTSIDE, 443, False),
    ("recorder", OUTSIDE, 443, False),
    ("gateway-ibkr", OUTSIDE, 443, False),
    ("nats", OUTSIDE, 443, False),
    ("monitoring", "nats", 4222, False),
    ("default", "nats", 4222, False),
    ("default", "simulators", 4002, False),
    ("default", "risk", 8080, False),
]


@pytest.mark.parametrize(("sender", "receiver", "port", "allowed"), PATHS)
def test_network_lets_through_what_is_needed_and_no_more(sender: str, receiver: str, port: int, allowed: bool):
    objects = rendered("paper")
    ours = {each["metadata"]["name"]: each for each in of_kind(objects, *WORKLOADS)}
    assert may_speak(objects, ours.get(sender, sender), ours.get(receiver, receiver), port) is allowed


@pytest.mark.parametrize("overlay", ["paper", "live"])
def test_policies_are_part_of_each_overlay_and_naming_their_component_changes_nothing(overlay: str):
    assert {"deny-all", "names", "to-nats", "nats", *SERVICES} <= names(rendered(overlay), "NetworkPolicy")
    assert rendered(overlay, ("network-policies",)) == rendered(overlay)


def test_one_version_is_everywhere():
    versions = {
        tomllib.loads(path.read_text())["project"]["version"]
        for path in (
            *ROOT.glob("services/*/pyproject.toml"),
            ROOT / "cli/pyproject.toml",
            ROOT / "simulators/pyproject.toml",
        )
    }
    assert versions == {manifest_rules.VERSION}
