// A whole site, made as docs/ten-minutes.md says: a gateway with the files of examples/gateways, `didt serve` with the sign-in page, Redis, a stand-in for
// Magic's Admin API, and Radicale, a calendar server that takes the person's name from a header.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const { DIDT, RADICALE } = process.env;
const ROOT = new URL("../../", import.meta.url);
const GUIDE = await readFile(new URL("docs/ten-minutes.md", ROOT), "utf8");
const AUDIENCE = "did:magic:f54168e9-9ce9-47f2-81c8-7cb2a96b26ba";
const SECRET_KEY = "sk_live_0123456789ABCDEF";
const PATIENCE = 20000;

const COMMANDS = {
  nginx: (folder) => ["nginx", ["-p", folder, "-c", join(folder, "nginx.conf"), "-g", "master_process off;"]],
  caddy: (folder) => ["caddy", ["run", "--adapter", "caddyfile", "--config", join(folder, "without-admin")]],
};
const CONFIGURATIONS = { nginx: ["nginx.conf", "didt.conf"], caddy: ["Caddyfile"] };

// The guide's block in this language, behind this heading.
function block(language, heading = "") {
  const [, behind] = heading ? GUIDE.split(`\n### ${heading}\n`) : ["", GUIDE];
  const found = new RegExp("```" + language + "\\n([^]*?)```").exec(behind ?? "");
  if (!found) throw new Error(`the guide has no ${language} for ${heading}`);
  return found[1];
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

// Starts a program in the foreground and waits until it listens.
async function start(name, program, args, { port, ...options }) {
  let printed = "";
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (printed += chunk));
  const failed = new Promise((_, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`${name} ended with ${code}: ${printed}`)));
  });
  failed.catch(() => {});
  const listens = async () => {
    for (const until = Date.now() + PATIENCE; Date.now() < until;) {
      const socket = connect(port, "127.0.0.1");
      const open = await new Promise((resolve) => socket.once("connect", () => resolve(true)).once("error", () => resolve(false)));
      socket.destroy();
      if (open) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`${name} does not listen: ${printed}`);
  };
  await Promise.race([listens(), failed]);
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  };
  return { stop, log: () => printed };
}

// Magic's Admin API: whose issuer has which address is learned from the tokens that the stand-in wallet makes.
async function startAdminApi(people) {
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, "http://localhost");
    const json = (status, body) => response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
    if (request.headers["x-magic-secret-key"] !== SECRET_KEY) return json(401, { error_code: "UNAUTHORIZED", message: "no such key" });
    if (pathname === "/v1/admin/client") return json(200, { client_id: AUDIENCE, app_scope: "GLOBAL" });
    const issuer = searchParams.get("issuer");
    if (pathname === "/v1/admin/user" && people.has(issuer)) {
      return json(200, { issuer, public_address: issuer.slice(9), email: people.get(issuer), oauth_provider: null, phone_number: null, username: null, wallets: null });
    }
    return json(404, { error_code: "NOT_FOUND", message: "no such user" });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => { server.closeAllConnections(); server.close(); } };
}

// `{ url, mint, redis: { stop, start }, stop }`. `settings` are added to those of didt.toml, as `KEY=VALUE`.
export async function startSite(gateway, { prefix = "/auth", settings = [] } = {}) {
  const folder = await mkdtemp(join(tmpdir(), `tower-didt-${gateway}-`));
  const [port, didtPort, radicalePort, redisPort] = await Promise.all(Array.from({ length: 4 }, freePort));
  const ports = { 8080: port, 9480: didtPort, 3000: radicalePort };
  const edit = async (file, changes = []) => {
    let text = await readFile(join(folder, file), "utf8");
    for (const [from, to] of changes) {
      if (!text.includes(from)) throw new Error(`${file} has no ${from}`);
      text = text.replaceAll(from, to);
    }
    await writeFile(join(folder, file), text.replace(/\b(8080|9480|3000)\b/g, (number) => ports[number]));
  };
  // The guide, step by step, but for what starts something.
  await writeFile(join(folder, "magic-secret-key"), `${SECRET_KEY}\n`);
  await writeFile(join(folder, "didt.toml"), block("toml"));
  await edit("didt.toml", [["you@example.com", 'ada@example.com", "grace@example.com'], ["pk_live_…", "pk_live_test"]]);
  const lines = block("sh", { nginx: "nginx", caddy: "Caddy" }[gateway]).split("\n");
  const before = lines.filter((line) => !line.endsWith("&")).join("\n");
  await promisify(execFile)("bash", ["-euc", before], { cwd: folder, env: { ...process.env, TOWER_DIDT: fileURLToPath(ROOT) } });
  const moved = { nginx: [["location /auth/", `location ${prefix}/`]], caddy: [["handle /auth/*", `handle ${prefix}/*`]] }[gateway];
  for (const file of CONFIGURATIONS[gateway]) await edit(file, file === "nginx.conf" ? [] : moved);
  await writeFile(join(folder, "radicale.conf"), block("ini"));
  await edit("radicale.conf");
  // Caddy's admin endpoint has a fixed port.
  await writeFile(join(folder, "without-admin"), "{\n\tadmin off\n}\nimport Caddyfile\n");

  const people = new Map();
  const running = [];
  const redis = {
    start: async () => { redis.process = await start("redis", "redis-server", ["--port", redisPort, "--bind", "127.0.0.1", "--save", "", "--dir", folder], { port: redisPort }); },
    stop: () => redis.process?.stop(),
  };
  const stop = async () => {
    await Promise.all([...running, redis].map((one) => one.stop()));
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const admin = await startAdminApi(people);
    running.push(admin);
    await redis.start();
    running.push(await start("radicale", RADICALE, ["--config", "radicale.conf"], { port: radicalePort, cwd: folder }));
    const set = [
      `listen.prefix=${prefix}`,
      `magic.api_url=${admin.url}`,
      "store.kind=redis",
      `store.url=redis://127.0.0.1:${redisPort}`,
      ...settings,
    ];
    running.push(await start("didt", DIDT, ["serve", "--config", "didt.toml", ...set.flatMap((one) => ["--set", one])], { port: didtPort, cwd: folder }));
    const [program, args] = COMMANDS[gateway](folder);
    // Debian's users do not have the folder of daemons in their path.
    const env = { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder, PATH: `${process.env.PATH}:/usr/sbin` };
    running.push(await start(gateway, program, args, { port, cwd: folder, env }));
  } catch (error) {
    await stop();
    throw error;
  }
  const mint = async (email, attachment) => {
    const args = ["mint", "--seed", email, "--audience", AUDIENCE, ...(attachment ? [`--attachment=${attachment}`] : [])];
    const { stdout } = await promisify(execFile)(DIDT, args);
    const [, claim] = JSON.parse(Buffer.from(stdout.trim(), "base64").toString());
    people.set(JSON.parse(claim).iss, email);
    return stdout.trim();
  };
  return { url: `http://localhost:${port}`, prefix, mint, redis, log: () => running.map((one) => one.log?.() ?? "").join("\n"), stop };
}
