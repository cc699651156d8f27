"""nginx and Apache as they serve files: sendfile, one worker's worth of core, logs as by default."""
import os

import bed
import process

SERVERS = os.environ.get("SERVERS", "")


def nginx(server, folder, port, tls=""):
    """The command for nginx in the server's directory; tls: its directives, if it is HTTPS."""
    secure = " ssl" if tls else ""
    return ["nginx", "-p", str(server.directory), "-e", server.path("nginx-error.log"), "-c",
            server.write("nginx.conf", f"""
user root;
daemon off;
pid {server.path('nginx.pid')};
worker_processes 1;
events {{ worker_connections 16384; }}
http {{
    default_type application/octet-stream;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    access_log {server.path('nginx-access.log')};
    client_body_temp_path {server.path('nginx-body')};
    proxy_temp_path {server.path('nginx-proxy')};
    fastcgi_temp_path {server.path('nginx-fastcgi')};
    uwsgi_temp_path {server.path('nginx-uwsgi')};
    scgi_temp_path {server.path('nginx-scgi')};
    server {{
        listen {bed.SERVER}:{port}{secure} backlog=4096;
        {tls}
        root {folder};
    }}
}}
""")]


def apache(server, folder, port):
    modules = f"{SERVERS}/usr/lib/apache2/modules"
    loaded = "\n".join(f"LoadModule {name}_module {modules}/mod_{name}.so"
                       for name in ("mpm_event", "authz_core", "log_config") if
                       os.path.exists(f"{modules}/mod_{name}.so"))
    return ["apache2", "-DFOREGROUND", "-d", str(server.directory), "-f",
            server.write("apache.conf", f"""
ServerName {bed.SERVER}
ServerRoot {server.directory}
{loaded}
PidFile {server.path('apache.pid')}
DefaultRuntimeDir {server.path('')}
User nobody
Group nogroup
Listen {bed.SERVER}:{port}
ThreadsPerChild 64
MaxRequestWorkers 512
ServerLimit 8
KeepAlive On
MaxKeepAliveRequests 0
EnableSendfile On
ErrorLog {server.path('apache-error.log')}
LogFormat "%h %l %u %t \\"%r\\" %>s %b" common
CustomLog {server.path('apache-access.log')} common
DocumentRoot {folder}
<Directory {folder}>
    Require all granted
</Directory>
""")]


class Folder:
    """Files of noise, made once, outside every server's own directory."""

    def __init__(self, **sizes):
        self.path = process.CELL / "files"
        self.path.mkdir(parents=True, exist_ok=True)
        for name, size in sizes.items():
            self.make(name.replace("__", "."), size)

    def make(self, name, size):
        with open("/dev/urandom", "rb") as noise, open(self.path / name, "wb") as file:
            # Once a MiB, and shifted each time so that no two places are alike for long.
            block = noise.read(1 << 20)
            for number in range(-(-size // len(block))):
                shifted = block[number % 4093:] + block[:number % 4093]
                file.write(shifted[:size - file.tell()])
        os.chmod(self.path / name, 0o644)
