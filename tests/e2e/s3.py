"""Stores for the tests: a client with a signer of its own, three real servers, and one that misbehaves."""
import base64
import collections
import contextlib
import datetime
import hashlib
import hmac
import http.client
import http.server
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import threading
import time
import urllib.parse

import pytest

KEY, SECRET = "heapfx-test-id", "heapfx-test-secret-0123456789"
BUCKET = "cores"
PYTHON = pathlib.Path(__file__).resolve().parents[2] / "build/python"	# `make playwright`
SERVERS = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "heapfx"


# --- signatures, as the reference has them -------------------------------------------------------

def encode(text, safe="-._~"):
	return urllib.parse.quote(text, safe=safe)


def signature(secret, method, path, query, headers, payload, when, region, service):
	"""Of a path as it stands in the URL, of (name, value) pairs as they are meant."""
	names = sorted(headers)
	canonical = "\n".join([method, path, "&".join(sorted(f"{encode(k)}={encode(v)}" for k, v in query)),
		*(f"{n}:{headers[n].strip()}" for n in names), "", ";".join(names), payload])
	scope = f"{when[:8]}/{region}/{service}/aws4_request"
	text = f"AWS4-HMAC-SHA256\n{when}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
	key = ("AWS4" + secret).encode()
	for part in scope.split("/"):
		key = hmac.digest(key, part.encode(), "sha256")
	return scope, hmac.digest(key, text.encode(), "sha256").hex()


class Client:
	def __init__(self, port):
		self.port = port

	def request(self, method, path, query=(), body=b""):
		"""(status, body, headers)"""
		when = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
		payload = hashlib.sha256(body).hexdigest()
		headers = {"host": f"127.0.0.1:{self.port}", "x-amz-date": when, "x-amz-content-sha256": payload}
		path = encode(path, "-._~/")
		scope, mark = signature(SECRET, method, path, query, headers, payload, when, "us-east-1", "s3")
		headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={KEY}/{scope},"
			f"SignedHeaders={';'.join(sorted(headers))},Signature={mark}")
		link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
		with contextlib.closing(link):
			link.request(method, path + ("?" + "&".join(sorted(f"{encode(k)}={encode(v)}" for k, v in query))
				if query else ""), body, headers)
			answer = link.getresponse()
			return answer.status, answer.read(), dict(answer.getheaders())

	def get(self, key):
		status, body, _ = self.request("GET", f"/{BUCKET}/{key}")
		return body if status == 200 else None

	def uploads(self):
		"""How many uploads in parts are not ended."""
		status, body, _ = self.request("GET", f"/{BUCKET}", [("uploads", "")])
		assert status == 200, body
		return body.count(b"<UploadId>")

	def keys(self):
		status, body, _ = self.request("GET", f"/{BUCKET}", [("list-type", "2")])
		assert status == 200, body
		return re.findall(r"<Key>([^<]*)</Key>", body.decode())

	def presign(self, key, seconds=600):
		when = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
		path = encode(f"/{BUCKET}/{key}", "-._~/")
		query = [("X-Amz-Algorithm", "AWS4-HMAC-SHA256"), ("X-Amz-Credential",
			f"{KEY}/{when[:8]}/us-east-1/s3/aws4_request"), ("X-Amz-Date", when),
			("X-Amz-Expires", str(seconds)), ("X-Amz-SignedHeaders", "host")]
		host = {"host": f"127.0.0.1:{self.port}"}
		_, mark = signature(SECRET, "PUT", path, query, host, "UNSIGNED-PAYLOAD", when, "us-east-1", "s3")
		return (f"http://{host['host']}{path}?" + "&".join(f"{k}={encode(v)}" for k, v in query)
			+ f"&X-Amz-Signature={mark}")


# --- real servers --------------------------------------------------------------------------------

def free_port():
	with socket.socket() as s:
		s.bind(("127.0.0.1", 0))
		return s.getsockname()[1]


class Server(Client):
	"""minio, versitygw or SeaweedFS on loopback, with one bucket; it can be killed and started again."""

	def __init__(self, kind, home):
		super().__init__(free_port())
		self.kind, self.home, self.process = kind, home, None
		(home / "data").mkdir(parents=True)
		self.behind = Filer(self) if kind == "weed" else None
		self.start()
		assert self.request("PUT", f"/{BUCKET}")[0] == 200

	def run(self, argv):
		with open(self.home / "log", "ab") as log:
			return subprocess.Popen([program(self.kind), *argv], stdout=log, stderr=log, cwd=self.home,
				env={"PATH": "/usr/bin:/bin", "HOME": str(self.home), "TMPDIR": str(self.home),
				"MINIO_ROOT_USER": KEY, "MINIO_ROOT_PASSWORD": SECRET, "ROOT_ACCESS_KEY": KEY,
				"ROOT_SECRET_KEY": SECRET, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET,
				"MINIO_UPDATE": "off", "MINIO_BROWSER": "off"})

	def start(self):
		at, data = f"127.0.0.1:{self.port}", self.home / "data"
		self.process = self.run(self.behind.gateway() if self.behind else {"minio": ["server", data, "--quiet",
			"--address", at, "--console-address", f"127.0.0.1:{free_port()}"],
			"versitygw": ["--port", at, "posix", data]}[self.kind])
		end = time.monotonic() + 60
		while time.monotonic() < end and self.process.poll() is None:
			with contextlib.suppress(OSError, http.client.HTTPException):
				if self.request("GET", "/")[0] == 200:
					return
			time.sleep(0.05)
		raise AssertionError(f"{self.kind} does not start: {(self.home / 'log').read_text()[-2000:]}")

	def kill(self):
		self.process.kill()
		self.process.wait()

	def close(self):
		self.kill()
		if self.behind:
			self.behind.close()


class Filer:
	"""What is behind SeaweedFS's gateway: a master, a volume server and a filer in one process, which stays."""

	def __init__(self, server):
		self.server, self.ports = server, [free_port() for _ in range(7)]
		names = "master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc"
		self.process = server.run(["server", "-dir", server.home / "data", "-ip", "127.0.0.1", "-filer",
			"-master.telemetry=false", "-master.volumeSizeLimitMB", "64", "-volume.max", "20", "-filer.localSocket",
			server.home / "filer", *(f"-{name}={port}" for name, port in zip(names, self.ports))])

	def gateway(self):
		filer, grpc, own = self.ports[4:]
		return ["s3", "-filer", f"127.0.0.1:{filer}.{grpc}", "-port", str(self.server.port), "-port.grpc", str(own),
			"-port.iceberg=0", "-port.lance=0", "-localFilerSocket", self.server.home / "filer", "-localSocket",
			self.server.home / "gateway", "-ip.bind", "127.0.0.1"]

	def close(self):
		self.process.kill()
		self.process.wait()
		for port in self.ports:	# it does not ask where sockets may lie
			for path in pathlib.Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
				path.unlink()


def program(kind):
	"""weed comes with tests/requirements.txt, the others from `make s3-servers`."""
	return PYTHON / "bin" / kind if kind == "weed" else SERVERS / kind


def real_server(kind, home):
	if not shutil.which(program(kind)):
		pytest.skip(f"{kind} is not there: " + ("pip gave none" if kind == "weed" else "make s3-servers builds it, once"))
	return Server(kind, home)


# --- one that misbehaves -------------------------------------------------------------------------

class Faulty(Client):
	"""An S3 in memory that checks every signature and every checksum, and fails as it is told.

	`faults`: one for each request to come of that operation ("PutObject", "UploadPart", ...): None, a
	status, "reset" (half of the body is read), "lost" (done, and never answered), "stall", "lie" (a
	checksum of something else), "error200" (an error behind a status of 200).
	"""

	def __init__(self):
		self.objects, self.open, self.log = {}, {}, []
		self.faults = collections.defaultdict(list)
		self.keys_of = {KEY: SECRET}
		self.tokens, self.expired = {}, set()
		self.roles = 0
		faulty = self

		class Handler(http.server.BaseHTTPRequestHandler):
			protocol_version = "HTTP/1.1"
			do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = lambda self: faulty.handle(self)

			def log_message(self, *_):
				pass

		self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
		self.server.daemon_threads = True
		super().__init__(self.server.server_port)
		threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

	def close(self):
		self.server.shutdown()
		self.server.server_close()

	def get(self, key):
		return self.objects.get(f"/{BUCKET}/{key}", (None,))[0]

	def uploads(self):
		return len(self.open)

	def keys(self):
		return sorted(key.split("/", 2)[2] for key in self.objects)

	# --- a request

	def answer(self, h, status, body=b"", **headers):
		h.send_response(status)
		for name, value in headers.items():
			h.send_header(name.replace("_", "-"), value)
		if "Content_Length" not in headers:
			h.send_header("Content-Length", str(len(body)))
		h.end_headers()
		h.wfile.write(body)

	def error(self, h, status, code, **headers):
		self.answer(h, status, f"<Error><Code>{code}</Code></Error>".encode() if h.command != "HEAD" else b"",
			**headers)

	def reset(self, h):
		h.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
		h.close_connection = True
		h.connection.close()

	def operation(self, h, query):
		if h.command == "POST" and h.path == "/":
			return "AssumeRole"
		return {"PUT": "UploadPart" if "partNumber" in query else "PutObject", "HEAD": "Head",
			"POST": "Create" if "uploads" in query else "Complete", "DELETE": "Abort", "GET": "Get"}[h.command]

	def handle(self, h):
		path, _, text = h.path.partition("?")
		query = dict(urllib.parse.parse_qsl(text, keep_blank_values=True))
		operation = self.operation(h, query)
		self.log.append((operation, urllib.parse.unquote(path)))
		fault = self.faults[operation].pop(0) if self.faults[operation] else None
		length = int(h.headers.get("Content-Length", 0))
		if fault == "reset":
			h.rfile.read(length // 2)
			return self.reset(h)
		body = h.rfile.read(length)
		if fault == "stall":
			time.sleep(30)
			return self.reset(h)
		if isinstance(fault, int):
			return self.error(h, fault, "SlowDown", **{"Retry_After": "1"} if fault == 503 else {})
		if operation == "AssumeRole":
			return self.assume(h, body.decode())
		if "X-Amz-Signature" not in query:
			wrong = self.check(h, path, query, body)
			if wrong:
				return self.error(h, 403 if wrong != "BadDigest" else 400, wrong)
		if fault == "error200":
			return self.error(h, 200, "InternalError")
		if fault == "lost":
			h.wfile, kept = open(os.devnull, "wb"), h.wfile
			getattr(self, operation)(h, urllib.parse.unquote(path), query, body, False)
			h.wfile = kept
			return self.reset(h)
		return getattr(self, operation)(h, urllib.parse.unquote(path), query, body, fault == "lie")

	def check(self, h, path, query, body):
		found = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]*)/\d{8}/us-east-1/s3/aws4_request,"
			r"SignedHeaders=([a-z0-9;-]*),Signature=([0-9a-f]{64})", h.headers.get("Authorization", ""))
		if not found or found[1] not in self.keys_of:
			return "InvalidAccessKeyId"
		names, token = found[2].split(";"), h.headers.get("x-amz-security-token")
		unsigned = {n.lower() for n in h.headers if n.lower().startswith("x-amz-")} - set(names)
		if self.tokens.get(found[1]) != token or unsigned or "host" not in names:
			return "AccessDenied"
		if found[1] in self.expired:
			return "ExpiredToken"
		_, mark = signature(self.keys_of[found[1]], h.command, path, query.items(), {n: h.headers[n]
			for n in names}, h.headers["x-amz-content-sha256"], h.headers["x-amz-date"], "us-east-1", "s3")
		if mark != found[3]:
			return "SignatureDoesNotMatch"
		digest = hashlib.sha256(body)
		told = h.headers.get("x-amz-checksum-sha256", base64.b64encode(digest.digest()).decode())
		if h.headers["x-amz-content-sha256"] != digest.hexdigest() or told != base64.b64encode(
				digest.digest()).decode():
			return "BadDigest"
		return None

	def assume(self, h, text):
		form = dict(urllib.parse.parse_qsl(text))
		if form.get("WebIdentityToken") != "token of the pod" or form.get("Action") != \
				"AssumeRoleWithWebIdentity" or form.get("RoleArn") != "arn:aws:iam::1:role/cores":
			return self.error(h, 400, "InvalidIdentityToken")
		self.roles += 1
		name, secret, token = f"ROLE{self.roles}", f"role/secret+{self.roles}", f"role-token/+={self.roles}"
		self.keys_of[name], self.tokens[name] = secret, token
		return self.answer(h, 200, (f"<AssumeRoleWithWebIdentityResponse><Credentials><AccessKeyId>{name}"
			f"</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}</SessionToken>"
			"<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
			"</AssumeRoleWithWebIdentityResponse>").encode())

	# --- operations

	def put(self, h, path, body, checksum):
		if path in self.objects and h.headers.get("if-none-match") == "*":
			return False
		self.objects[path] = body, checksum
		return True

	def PutObject(self, h, path, query, body, lie):
		checksum = sum_of(b"another" if lie else body)
		if not self.put(h, path, body, sum_of(body)):
			return self.error(h, 412, "PreconditionFailed")
		return self.answer(h, 200, ETag='"e"', x_amz_checksum_sha256=checksum)

	def Create(self, h, path, query, body, lie):
		name = f"up<&\"{len(self.log)}"
		self.open[name] = path, {}
		xml = name.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
		return self.answer(h, 200, f"<R><Bucket>b</Bucket><UploadId>{xml}</UploadId></R>".encode())

	def UploadPart(self, h, path, query, body, lie):
		if self.open.get(query["uploadId"], (None,))[0] != path:
			return self.error(h, 404, "NoSuchUpload")
		self.open[query["uploadId"]][1][int(query["partNumber"])] = body
		return self.answer(h, 200, ETag='"e"', x_amz_checksum_sha256=sum_of(b"another" if lie else body))

	def Complete(self, h, path, query, body, lie):
		if self.open.get(query["uploadId"], (None,))[0] != path:
			return self.error(h, 404, "NoSuchUpload")
		parts = self.open[query["uploadId"]][1]
		told = re.findall(r"<PartNumber>(\d+)</PartNumber><ETag>\"e\"</ETag><ChecksumSHA256>([^<]*)<",
			body.decode())
		if told != [(str(n), sum_of(parts[n])) for n in sorted(parts)]:
			return self.error(h, 400, "InvalidPart")
		whole = sum_of(b"".join(hashlib.sha256(parts[n]).digest() for n in sorted(parts)))
		if not self.put(h, path, b"".join(parts[n] for n in sorted(parts)), f"{whole}-{len(parts)}"):
			return self.error(h, 412, "PreconditionFailed")
		del self.open[query["uploadId"]]
		return self.answer(h, 200, b"<CompleteMultipartUploadResult/>")

	def Abort(self, h, path, query, body, lie):
		if self.open.pop(query["uploadId"], None) is None:
			return self.error(h, 404, "NoSuchUpload")
		return self.answer(h, 204)

	def Head(self, h, path, query, body, lie):
		if path not in self.objects:
			return self.error(h, 404, "NoSuchKey")
		data, checksum = self.objects[path]
		return self.answer(h, 200, Content_Length=str(len(data)), x_amz_checksum_sha256=sum_of(b"another")
			if lie else checksum)


def sum_of(data):
	return base64.b64encode(hashlib.sha256(data).digest()).decode()
