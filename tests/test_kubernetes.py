"""The manifests in deploy/kubernetes are what Kubernetes accepts, and what this crawler understands."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from redis_server import RedisServer, needs_redis

from crawler.cli import metrics
from crawler.cli.arguments import parser_of
from crawler.cli.main import main
from crawler.cli.parser import settings_from

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "deploy" / "kubernetes"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
MANIFESTS = {
    f"{path.stem}/{each['kind']}/{each['metadata']['name']}": each
    for path in sorted(FOLDER.rglob("*.yaml"))
    for each in yaml.safe_load_all(path.read_text("utf-8"))
}
LOCKED = {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def of_kind(kind: str) -> Iterator[dict[str, Any]]:
    return (each for each in MANIFESTS.values() if each["kind"] == kind)


def pods() -> Iterator[dict[str, Any]]:
    """The pods of all jobs and sets."""
    return (each["spec"]["template"]["spec"] for each in MANIFESTS.values() if "template" in each.get("spec", {}))


def crawlers() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """The pods that crawl or merge, each with its container."""
    for pod in pods():
        (container,) = pod["containers"]
        if container["name"] == "crawler":
            yield pod, container


@pytest.mark.parametrize("name", MANIFESTS)
def test_kubernetes_accepts_every_manifest(name: str) -> None:
    """By its own schemas, with no field that they do not know."""
    kubernetes_validate.validate(MANIFESTS[name], "1.37", strict=True)


def test_a_field_that_is_mistyped_is_not_accepted() -> None:
    """The check above is one that can fail."""
    wrong = deepcopy(next(of_kind("StatefulSet")))
    wrong["spec"]["template"]["spec"]["terminationGraceSeconds"] = 30
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.37", strict=True)


def test_every_container_runs_a_command_that_exists() -> None:
    """Arguments and probes are read as they stand, with what the environment says."""
    variables = {**next(of_kind("ConfigMap"))["data"], **next(of_kind("Secret"))["stringData"]}
    commands = []
    for _, container in crawlers():
        command, *words = container["args"]
        arguments = parser_of(command).read(words)
        commands.append(command)
        probe = container.get("livenessProbe", {}).get("exec", {}).get("command", ["crawler", "health"])
        parser_of(probe[1]).read(probe[2:])
        wanted = {each["name"]: next(iter(each["valueFrom"].values())) for each in container.get("env", ())}
        environment = {name: variables[source["key"]] for name, source in wanted.items() if "key" in source}
        if command == "worker":
            settings = settings_from(arguments, environment).settings
            assert (settings.frontier, settings.name) == ("redis://crawler-redis:6379/0", "web")
    assert sorted(commands) == ["crawl", "merge", "worker"]


def test_the_settings_are_settings(tmp_path: Path) -> None:
    """The file of the ConfigMap is one that a crawl takes."""
    file = tmp_path / "crawl.toml"
    file.write_text(next(of_kind("ConfigMap"))["data"]["crawl.toml"], "utf-8")
    assert main(["config", "check", str(file)]) == 0


def test_nothing_has_more_rights_than_it_needs() -> None:
    """Every container is locked down, runs as a user with a number, and owns its volumes; the crawler's is the user of its image."""
    user = int(re.findall(r"(?m)^USER (\d+)$", (ROOT / "Dockerfile").read_text("utf-8"))[0])
    for pod in pods():
        security = pod["securityContext"]
        assert security["runAsNonRoot"]
        assert security["fsGroup"] == security["runAsUser"] == security["runAsGroup"]
        assert not pod["automountServiceAccountToken"]
        assert [container["securityContext"] for container in pod["containers"]] == [LOCKED]
    assert {pod["securityContext"]["runAsUser"] for pod, _ in crawlers()} == {user}


def test_what_a_pod_mounts_is_there() -> None:
    """Each mount has its volume, and each claim is one that something makes: itself, or a set for its workers."""
    claims = {each["metadata"]["name"] for each in of_kind("PersistentVolumeClaim")}
    for each in of_kind("StatefulSet"):
        for template in each["spec"]["volumeClaimTemplates"]:
            claims |= {f"{template['metadata']['name']}-{each['metadata']['name']}-{number}" for number in range(4)}
    mounted = set()
    for pod, container in crawlers():
        volumes = {volume["name"]: volume for volume in pod.get("volumes", ())}
        names = {mount["name"] for mount in container["volumeMounts"]}
        assert names - volumes.keys() <= {"crawls"}
        assert "/crawls" in {mount["mountPath"] for mount in container["volumeMounts"]}
        mounted |= {volume["persistentVolumeClaim"]["claimName"] for volume in volumes.values() if "persistentVolumeClaim" in volume}
    assert mounted == {claim for claim in claims if "redis" not in claim}


def test_workers_are_added_for_hosts_and_not_for_urls() -> None:
    """What is scaled exists, and so do the metrics it is scaled by; none of them is the length of a queue."""
    (scaler,) = of_kind("HorizontalPodAutoscaler")
    target = scaler["spec"]["scaleTargetRef"]
    assert target["name"] in {each["metadata"]["name"] for each in of_kind(target["kind"])}
    used = set(re.findall(r"\((crawler_\w+)\)", (FOLDER / "scale.yaml").read_text("utf-8")))
    assert used == {"crawler_due_hosts", "crawler_hosts"}
    assert all(f"`{name}`" in (metrics.__doc__ or "") for name in used)


def test_a_frontier_that_cannot_answer_yet_is_not_ready(tmp_path: Path) -> None:
    """One that reads its log, say, answers every command with an error, of which redis-cli takes no notice unless it is told to. It is
    alive all the same: whoever kills it then has it read all of it again."""
    needs_redis()
    (redis,) = (pod["containers"][0] for pod in pods() if pod["containers"][0]["name"] == "redis")
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]["redis"]
    ready = [redis["readinessProbe"]["exec"]["command"], compose["healthcheck"]["test"][1:]]
    server = RedisServer(tmp_path)
    try:
        assert [answers(server, probe) for probe in ready] == [True, True]
        assert answers(server, ["redis-cli", "config", "set", "requirepass", "nobody knows"])
        assert [answers(server, probe) for probe in ready] == [False, False]
        assert answers(server, redis["livenessProbe"]["exec"]["command"])
    finally:
        server.stop()


def answers(server: RedisServer, command: list[str]) -> bool:
    """Whether a command of redis-cli goes well there."""
    words = [command[0], "-s", str(server.socket), *command[1:]]
    return subprocess.run(words, check=False, capture_output=True, timeout=60).returncode == 0


def test_the_image_is_that_of_this_version() -> None:
    """All pods run the same one."""
    assert {container["image"] for _, container in crawlers()} == {f"crawler:{VERSION}"}
