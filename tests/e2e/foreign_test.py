"""Clients that are not ours: reflection, health, safetensors, grpcurl, Prometheus."""
import json
import shutil
import subprocess

import grpc
import numpy
import pytest

from harness import models


def test_reflection_lists_and_streams_without_our_protos(serve):
    """Builds the request from the descriptors that the server reflects."""
    from google.protobuf import descriptor_pool, message_factory
    from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
        ProtoReflectionDescriptorDatabase)
    server = serve()
    database = ProtoReflectionDescriptorDatabase(server.channel)
    assert {"strata.v1.Generation", "strata.v1.Training", "strata.v1.Models",
            "grpc.health.v1.Health"} <= set(database.get_services())
    pool = descriptor_pool.DescriptorPool(database)
    method = pool.FindServiceByName(
        "strata.v1.Generation").FindMethodByName("Generate")
    classes = [message_factory.GetMessageClass(m)
               for m in (method.input_type, method.output_type)]
    call = server.channel.unary_stream(
        "/strata.v1.Generation/Generate",
        request_serializer=classes[0].SerializeToString,
        response_deserializer=classes[1].FromString)
    responses = list(call(classes[0](model="tiny", prompt=b"a", max_tokens=9)))
    assert responses[-1].HasField("finished")
    listing = database.get_services()
    assert "grpc.reflection.v1alpha.ServerReflection" in listing


def test_health_check_and_watch(serve):
    from grpc_health.v1 import health_pb2, health_pb2_grpc
    server = serve()
    stub = health_pb2_grpc.HealthStub(server.channel)
    serving = health_pb2.HealthCheckResponse.SERVING
    for service in ("", "liveness", "readiness", "model/tiny"):
        reply = stub.Check(health_pb2.HealthCheckRequest(service=service))
        assert reply.status == serving, service
    with pytest.raises(grpc.RpcError) as caught:
        stub.Check(health_pb2.HealthCheckRequest(service="model/nobody"))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    watch = stub.Watch(health_pb2.HealthCheckRequest(service="readiness"))
    assert next(watch).status == serving
    server.process.terminate()
    assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING


def test_safetensors_package_opens_a_published_version(serve):
    from safetensors.numpy import load_file
    server = serve()
    folder = server.root / "models" / "tiny" / "1"
    tensors = load_file(folder / "model.safetensors")
    total = sum(t.size for t in tensors.values())
    model = server.models.GetModel(models.GetModelRequest(name="tiny"))
    assert total == model.versions[0].parameters
    assert all(numpy.isfinite(t).all() for t in tensors.values())
    config = json.loads((folder / "config.json").read_text())
    assert tensors["embedding.weight"].shape == (
        config["vocab"], config["levels"][0]["dim"])


def test_grpcurl(serve):
    grpcurl = shutil.which("grpcurl")
    if not grpcurl:
        pytest.skip("SKIPPED: grpcurl is not installed "
                    "(go install github.com/fullstorydev/grpcurl/cmd/grpcurl)")
    server = serve()
    run = lambda *a: subprocess.run([grpcurl, "-plaintext", *a],
                                    capture_output=True, check=True).stdout
    assert b"strata.v1.Generation" in run(server.grpc, "list")
    assert b"SERVING" in run(server.grpc, "grpc.health.v1.Health/Check")
    stream = run("-d", '{"model":"tiny","prompt":"YQ==","maxTokens":"5"}',
                 server.grpc, "strata.v1.Generation/Generate")
    assert b'"finished"' in stream


def test_metrics_pass_promtool(serve):
    server = serve()
    server.text("tiny", b"a", max_tokens=20)
    samples = server.metrics()
    for name in ["strata_time_to_first_token_seconds_count",
                 "strata_inter_token_latency_seconds_count",
                 "strata_queue_wait_seconds_count",
                 "strata_step_duration_seconds_count"]:
        assert samples[name] > 0, name
    promtool = shutil.which("promtool")
    if not promtool:
        pytest.skip("SKIPPED: promtool is not installed (package prometheus)")
    import urllib.request
    text = urllib.request.urlopen(f"http://{server.http}/metrics").read()
    result = subprocess.run([promtool, "check", "metrics"], input=text,
                            capture_output=True)
    assert result.returncode == 0, result.stderr.decode()
