import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from adaptd.config import Config, parse

KINDS = ["ConfigMap", "Deployment", "PersistentVolumeClaim", "Service"]
Objects = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def objects(root: Path, tool: Callable[[str], str]) -> Objects:
    """What the base builds, by kind."""
    done = subprocess.run(
        [tool("kubectl"), "kustomize", root / "deploy/kubernetes/base"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {document["kind"]: document for document in yaml.safe_load_all(done.stdout)}


@pytest.fixture(scope="module")
def pod(objects: Objects) -> dict[str, Any]:
    specification: dict[str, Any] = objects["Deployment"]["spec"]["template"]["spec"]
    return specification


@pytest.fixture(scope="module")
def container(pod: dict[str, Any]) -> dict[str, Any]:
    (only,) = pod["containers"]
    assert isinstance(only, dict)
    return only


@pytest.fixture(scope="module")
def config(objects: Objects) -> Config:
    return parse(
        yaml.safe_load(objects["ConfigMap"]["data"]["config.yaml"]), origin="the ConfigMap"
    )


def test_the_base_builds_these_objects_and_no_other(objects: Objects) -> None:
    assert sorted(objects) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_every_object_fits_the_api_strictly(objects: Objects, kind: str) -> None:
    kubernetes_validate.validate(objects[kind], kubernetes_validate.latest_version(), strict=True)


def test_one_daemon_at_a_time_holds_the_volume(objects: Objects) -> None:
    specification = objects["Deployment"]["spec"]
    assert specification["replicas"] == 1
    assert specification["strategy"] == {"type": "Recreate"}
    assert objects["PersistentVolumeClaim"]["spec"]["accessModes"] == ["ReadWriteOnce"]


def test_the_pod_mounts_the_generated_configuration_and_the_claim(
    objects: Objects, pod: dict[str, Any], container: dict[str, Any], config: Config
) -> None:
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["name"]: Path(mount["mountPath"]) for mount in container["volumeMounts"]}
    name = objects["ConfigMap"]["metadata"]["name"]
    # A hash behind the name: a changed configuration restarts the daemon.
    assert name.startswith("adaptd-")
    assert volumes["config"]["configMap"]["name"] == name
    assert Path(container["args"][-1]) == mounts["config"] / "config.yaml"
    claim = objects["PersistentVolumeClaim"]["metadata"]["name"]
    assert volumes["state"]["persistentVolumeClaim"]["claimName"] == claim
    assert config.state_directory.is_relative_to(mounts["state"])


def test_the_probes_ask_the_port_that_the_configuration_opens_to_the_kubelet(
    container: dict[str, Any], config: Config
) -> None:
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    asked = {
        probe: container[probe]["httpGet"]["path"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    assert asked == {
        "startupProbe": "/healthz",
        "livenessProbe": "/healthz",
        "readinessProbe": "/readyz",
    }
    assert all(ports[container[probe]["httpGet"]["port"]] == config.metrics.port for probe in asked)
    assert config.metrics.host == "0.0.0.0"


def test_the_service_leads_to_the_metrics_and_not_to_the_operator_page(
    objects: Objects, container: dict[str, Any], config: Config
) -> None:
    specification = objects["Service"]["spec"]
    labels = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert specification["selector"].items() <= labels.items()
    assert [port["targetPort"] for port in specification["ports"]] == ["metrics"]
    assert config.server.port not in [port["containerPort"] for port in container["ports"]]


def test_the_pod_keeps_to_the_restricted_security_standard(
    pod: dict[str, Any], container: dict[str, Any]
) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False


def test_a_stop_has_more_time_than_the_daemon_needs(pod: dict[str, Any]) -> None:
    assert pod["terminationGracePeriodSeconds"] > 5
