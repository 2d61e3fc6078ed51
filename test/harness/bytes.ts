// Every byte of a directory, also those that are packed: what somebody with the disk in his hands finds.
import { execFile } from "node:child_process";
import { promisify } from "node:util";

// Sealed files of the log are made of zstd frames, which begin with the same four bytes.
const LOOK = `
import ctypes, ctypes.util, json, os, stat, sys
z = ctypes.CDLL(ctypes.util.find_library("zstd"))
for name in ("ZSTD_findFrameCompressedSize", "ZSTD_decompress", "ZSTD_getFrameContentSize"):
    getattr(z, name).restype = ctypes.c_size_t
z.ZSTD_isError.argtypes = [ctypes.c_size_t]
def unpacked(data):
    at = data.find(b"\\x28\\xb5\\x2f\\xfd")
    while at >= 0:
        rest = data[at:]
        n = z.ZSTD_findFrameCompressedSize(rest, ctypes.c_size_t(len(rest)))
        size = z.ZSTD_getFrameContentSize(rest, ctypes.c_size_t(len(rest)))
        if not z.ZSTD_isError(n) and size < 1 << 28:
            out = ctypes.create_string_buffer(max(size, 1))
            got = z.ZSTD_decompress(out, ctypes.c_size_t(size), rest, ctypes.c_size_t(n))
            if not z.ZSTD_isError(got):
                yield out.raw[:got]
        at = data.find(b"\\x28\\xb5\\x2f\\xfd", at + 4)
marks = [m.encode() for m in json.loads(sys.argv[2])]
found = []
for base, _, names in os.walk(sys.argv[1]):
    for name in names:
        path = os.path.join(base, name)
        if not stat.S_ISREG(os.stat(path).st_mode):
            continue
        data = open(path, "rb").read()
        parts = [data] + list(unpacked(data)) if name.endswith(".sealed") else [data]
        for i, mark in enumerate(marks):
            n = sum(part.count(mark) for part in parts)
            if n > 0:
                found.append([json.loads(sys.argv[2])[i], os.path.relpath(path, sys.argv[1]), n])
print(json.dumps(found))
`;

/** In which files of a directory a text stands, and how often. The server that writes them is stopped. */
export async function findBytes(dir: string, texts: string[]): Promise<[text: string, file: string, n: number][]> {
	const { stdout } = await promisify(execFile)("python3", ["-c", LOOK, dir, JSON.stringify(texts)]);
	return JSON.parse(stdout) as [string, string, number][];
}
