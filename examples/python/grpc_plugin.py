"""The stubs' generator of grpcio-tools as a plugin for buf, which knows protoc's own generators alone.

It reads a ``CodeGeneratorRequest`` from standard input and writes a ``CodeGeneratorResponse`` to standard output,
as ``google/protobuf/compiler/plugin.proto`` says. It needs grpcio-tools.
"""

# ruff: noqa: INP001  # a program of its own, in no package

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from google.protobuf.compiler.plugin_pb2 import CodeGeneratorRequest, CodeGeneratorResponse
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc


def main() -> None:
    """Answer one request."""
    request = CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
    answer = CodeGeneratorResponse(supported_features=CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL)
    served = {file.name for file in request.proto_file if file.service}
    names = [name for name in request.file_to_generate if name in served]
    with TemporaryDirectory() as folder:
        out, descriptors = Path(folder) / "out", Path(folder) / "descriptors"
        out.mkdir()
        descriptors.write_bytes(FileDescriptorSet(file=request.proto_file).SerializeToString())
        command = ["protoc", f"--descriptor_set_in={descriptors}", f"--grpc_python_out={out}", *names]
        if names and protoc.main(command) != 0:
            answer.error = "protoc failed"
        for path in sorted(out.rglob("*.py")):
            answer.file.add(name=path.relative_to(out).as_posix(), content=path.read_text(encoding="utf-8"))
    sys.stdout.buffer.write(answer.SerializeToString())


if __name__ == "__main__":
    main()
