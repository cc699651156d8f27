"""The servers: each serves the same folder, with its log as it is by default, into a file."""
import os
import subprocess

import bed
import dnsmasq
import process
import pxed
import web

HTTP, HTTPS = 8067, 8443
# Nobody asks for an address.
LAST = "10.128.0.9"
SERVERS = os.environ.get("SERVERS", "")


class Folder(process.Server):
    """A server of that folder."""
    windows = False  # it knows the option windowsize

    def __init__(self, name, folder):
        super().__init__(name)
        self.folder = folder.path

    def http_path(self, name):
        return f"/{name}"


class Pxed(Folder):
    windows = True

    def command(self):
        return pxed.command(self, LAST, f"""
http-port = {HTTP}
https = true
https-port = {HTTPS}
boot-dir = "{self.folder}"
""")

    def http_path(self, name):
        return f"/files/{name}"


class TftpdHpa(Folder):
    def command(self):
        return [f"{SERVERS}/usr/sbin/in.tftpd", "--foreground", "--user", "root", "--address",
                f"{bed.SERVER}:69", "--secure", str(self.folder)]


class Atftpd(Folder):
    windows = True

    def command(self):
        return [f"{SERVERS}/atftpd/usr/sbin/atftpd", "--daemon", "--no-fork", "--user", "root.root",
                "--bind-address", bed.SERVER, "--maxthread", "1000", "--logfile",
                self.path("atftpd.log"), str(self.folder)]


class Dnsmasq(Folder):
    def command(self):
        return dnsmasq.command(self, dnsmasq.files(self.folder))


class Nginx(Folder):
    def command(self):
        return web.nginx(self, self.folder, HTTP)


class NginxTls(Folder):
    """The same kind of certificate and the same protocols as pxed's."""

    def command(self):
        key, certificate = self.path("key.pem"), self.path("certificate.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:3072", "-nodes", "-days", "30",
                        "-subj", "/CN=bench", "-keyout", key, "-out", certificate],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return web.nginx(self, self.folder, HTTPS, f"""
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.2 TLSv1.3;""")


class Apache(Folder):
    def command(self):
        return web.apache(self, self.folder, HTTP)


def all_servers(folder):
    """Of each kind, in turn."""
    def of(*servers):
        return {server.name: server for server in servers}
    pxed = Pxed("pxed", folder)
    return {"tftp": of(pxed, TftpdHpa("tftpd-hpa", folder), Atftpd("atftpd", folder),
                       Dnsmasq("dnsmasq", folder)),
            "http": of(pxed, Nginx("nginx", folder), Apache("apache", folder)),
            "https": of(pxed, NginxTls("nginx", folder))}
