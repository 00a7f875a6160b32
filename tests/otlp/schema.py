"""OTLP/HTTP payloads in JSON held against the published schema, by Google's protobuf library and not by our reading of it.

data/ is compiled by protoc to a set of descriptors. A payload is walked beside its message type for what OTLP's JSON adds to that of
protobuf (ids in hex, enums as integers, keys in lowerCamelCase, 64-bit integers as text), and then parsed strictly by the library.
"""
import base64
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

try:
    from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
    from google.protobuf.descriptor import FieldDescriptor as Field
except ImportError:
    descriptor_pb2 = None

DATA = Path(__file__).parent / "data"
REQUESTS = {"traces": "collector.trace.v1.ExportTraceServiceRequest", "metrics": "collector.metrics.v1.ExportMetricsServiceRequest"}
RESPONSES = {"traces": "collector.trace.v1.ExportTraceServiceResponse", "metrics": "collector.metrics.v1.ExportMetricsServiceResponse"}
ID_BYTES = {"traceId": 16, "spanId": 8, "parentSpanId": 8}


def missing():
    """What is not there for a Schema, or None."""
    if descriptor_pb2 is None:
        return "python3-protobuf is not installed (tools/bootstrap test)"
    return None if shutil.which("protoc") else "protoc is not installed (tools/bootstrap test)"


class Wrong(Exception):
    """The payload is not what the schema says; where, and why."""


class Schema:
    def __init__(self):
        files = descriptor_pb2.FileDescriptorSet()
        with tempfile.NamedTemporaryFile() as out:
            subprocess.run(["protoc", f"--proto_path={DATA}", "--include_imports", f"--descriptor_set_out={out.name}",
                            *sorted(map(str, DATA.rglob("*.proto")))], check=True)
            files.ParseFromString(Path(out.name).read_bytes())
        self.pool = descriptor_pool.DescriptorPool()
        for file in files.file:
            self.pool.Add(file)
        self.factory = message_factory.MessageFactory(self.pool)

    def parse(self, payload, name):
        """The message that JSON says; Wrong when it says none."""
        kind = self.pool.FindMessageTypeByName(f"opentelemetry.proto.{name}")
        try:
            return json_format.ParseDict(converted(payload, kind, name), self.factory.GetPrototype(kind)())
        except json_format.ParseError as error:
            raise Wrong(str(error)) from error

    def problem_of(self, payload, name):
        """In words; None when there is none."""
        try:
            self.parse(payload, name)
        except Wrong as wrong:
            return str(wrong)
        return None


def converted(value, kind, where):
    """A message in OTLP's JSON as one in protobuf's; each field is looked at by its type."""
    if not isinstance(value, dict):
        raise Wrong(f"{where}: an object is wanted, not {value!r}")
    out = {}
    for key, part in value.items():
        field = next((f for f in kind.fields if f.json_name == key), None)
        if field is None:
            raise Wrong(f"{where}: {kind.name} has no field {key!r}")
        at = f"{where}.{key}"
        if field.label == Field.LABEL_REPEATED:
            if not isinstance(part, list):
                raise Wrong(f"{at}: a list is wanted, not {part!r}")
            out[key] = [converted_value(item, field, f"{at}[{i}]") for i, item in enumerate(part)]
        else:
            out[key] = converted_value(part, field, at)
    return out


def converted_value(value, field, where):
    if field.type == Field.TYPE_MESSAGE:
        return converted(value, field.message_type, where)
    if field.type == Field.TYPE_BYTES:
        size = ID_BYTES.get(field.json_name)
        if size is None or not isinstance(value, str) or not re.fullmatch(f"[0-9a-fA-F]{{{2 * size}}}", value):
            raise Wrong(f"{where}: {size} bytes in hex are wanted, not {value!r}")
        return base64.b64encode(bytes.fromhex(value)).decode()
    if field.type == Field.TYPE_ENUM and (isinstance(value, bool) or not isinstance(value, int)):
        raise Wrong(f"{where}: an enum is a number, not {value!r}")
    if field.cpp_type in (Field.CPPTYPE_INT64, Field.CPPTYPE_UINT64) and not isinstance(value, str):
        raise Wrong(f"{where}: 64 bits are written as text, not {value!r}")
    return value
