// Microsoft's clients for Node, unmodified, against a Lapwing server: @azure/msal-node, @azure/identity,
// @microsoft/microsoft-graph-client. ci/clients.sh starts the server and a fleet, and writes what is there into the
// JSON file that LAPWING_FLEET names; the server's CA comes by NODE_EXTRA_CA_CERTS.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { ClientSecretCredential, DeviceCodeCredential } from "@azure/identity";
import { ConfidentialClientApplication, ProtocolMode, PublicClientApplication } from "@azure/msal-node";
import { Client, GraphError, PageIterator } from "@microsoft/microsoft-graph-client";
import { TokenCredentialAuthenticationProvider } from "@microsoft/microsoft-graph-client/authProviders/azureTokenCredentials/index.js";

const FLEET = JSON.parse(readFileSync(process.env.LAPWING_FLEET, "utf8"));
const { url: URL_, tenant: TENANT, devices: DEVICES } = FLEET;
const HOST = new URL(URL_);
const SCOPES = ["https://graph.microsoft.com/.default"];
// A program that people sign in with; any id will do, as long as it does not change.
const PUBLIC_CLIENT = "d1a4ac5e-0b7c-4b0a-9c56-6f8a3c0c7f12";
const PERSON = { ...FLEET.person };

const credential = (name, changed = {}) => {
  const { tenantId, clientId, clientSecret } = { ...FLEET.principals[name], ...changed };
  return new ClientSecretCredential(tenantId, clientId, clientSecret, {
    authorityHost: URL_,
    disableInstanceDiscovery: true,
  });
};

const graph = (of) =>
  Client.initWithMiddleware({
    authProvider: new TokenCredentialAuthenticationProvider(of, { scopes: SCOPES }),
    baseUrl: `${URL_}/`,
    defaultVersion: "v1.0",
    customHosts: new Set([HOST.hostname]),
  });

const confidential = (changed = {}, system = {}) => {
  const { clientId, clientSecret } = { ...FLEET.principals.reader, ...changed };
  return new ConfidentialClientApplication({
    auth: { clientId, clientSecret, authority: `${URL_}/${TENANT}`, knownAuthorities: [HOST.host], ...system },
  });
};

const reader = graph(credential("reader"));
const textOf = (version) => Buffer.from(version.passwordBase64, "base64").toString("utf8");
const credentialsOf = (device, client = reader) =>
  client.api(`/directory/deviceLocalCredentials/${device.id}`).select("credentials").get();

/** Posts the page's form as a browser does. */
async function signIn(code) {
  const page = await fetch(`${URL_}/device`, { headers: { accept: "text/html" } });
  assert.match(await page.text(), /<form method="post" action="\/device"/);
  const answer = await fetch(`${URL_}/device`, {
    method: "POST",
    headers: { accept: "text/html", origin: URL_, "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({ user_code: code, user_name: PERSON.name, password: PERSON.password, answer: "agree" }),
  });
  assert.equal(answer.status, 200, await answer.text());
}

async function refused(promise, status, code) {
  const error = await promise.then(
    () => assert.fail(`expected ${status} ${code}`),
    (error) => error,
  );
  assert.ok(error instanceof GraphError, `${error}`);
  assert.equal(error.statusCode, status);
  assert.equal(error.code, code);
  assert.ok(error.message);
  assert.match(error.requestId, /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/);
  assert.ok(Math.abs(Date.now() - error.date.getTime()) < 300_000, `${error.date}`);
  return error;
}

test("msal-node: client credentials", async () => {
  const answer = await confidential().acquireTokenByClientCredential({ scopes: SCOPES });
  assert.equal(answer.tokenType, "Bearer");
  assert.ok(answer.expiresOn > new Date());
});

test("msal-node: client credentials in OIDC mode", async () => {
  const application = confidential({}, { authority: `${URL_}/${TENANT}/v2.0`, protocolMode: ProtocolMode.OIDC });
  assert.ok((await application.acquireTokenByClientCredential({ scopes: SCOPES })).accessToken);
});

test("msal-node: a wrong secret", async () => {
  await assert.rejects(confidential({ clientSecret: "wrong" }).acquireTokenByClientCredential({ scopes: SCOPES }), {
    errorCode: "invalid_client",
    errorMessage: /AADSTS7000215/,
  });
});

test("msal-node: device code, then silent renewal", async () => {
  const application = new PublicClientApplication({
    auth: { clientId: PUBLIC_CLIENT, authority: `${URL_}/${TENANT}`, knownAuthorities: [HOST.host] },
  });
  let shown;
  const answer = await application.acquireTokenByDeviceCode({
    scopes: SCOPES,
    deviceCodeCallback: (code) => {
      shown = signIn(code.userCode);
    },
  });
  await shown;
  assert.equal(answer.account.username, PERSON.name);
  assert.equal(answer.idTokenClaims.tid, TENANT);
  const renewed = await application.acquireTokenSilent({ scopes: SCOPES, account: answer.account, forceRefresh: true });
  assert.equal(renewed.fromCache, false);
  assert.ok(renewed.accessToken);
});

test("@azure/identity: client secret, and a wrong one", async () => {
  assert.ok((await credential("reader").getToken(SCOPES)).expiresOnTimestamp > Date.now());
  await assert.rejects(credential("reader", { clientSecret: "wrong" }).getToken(SCOPES), /AADSTS7000215/);
});

test("@azure/identity: a person's device code reads a password", async () => {
  const person = new DeviceCodeCredential({
    tenantId: TENANT,
    clientId: PUBLIC_CLIENT,
    authorityHost: URL_,
    disableInstanceDiscovery: true,
    userPromptCallback: (code) => signIn(code.userCode),
  });
  const client = graph(person);
  assert.equal((await client.api("/me").get()).userPrincipalName, PERSON.name);
  assert.equal(textOf((await credentialsOf(DEVICES[1], client)).credentials[0]), DEVICES[1].password);
});

test("graph-client: list of credentials, without passwords", async () => {
  const page = await reader.api("/directory/deviceLocalCredentials").select("id,deviceName,credentials").get();
  assert.ok(page["@odata.context"].endsWith("/v1.0/$metadata#directory/deviceLocalCredentials"));
  for (const device of DEVICES) {
    const found = page.value.find(({ id }) => id === device.id);
    assert.equal(found.deviceName, device.name);
    assert.ok(new Date(found.refreshDateTime) > new Date(found.lastBackupDateTime));
    assert.ok(!("credentials" in found));
  }
});

for (const [version, path] of [
  ["v1.0", "/directory/deviceLocalCredentials"],
  ["beta", "/directory/deviceLocalCredentials"],
  ["v1.0", "/deviceLocalCredentials"],
  ["beta", "/deviceLocalCredentials"],
]) {
  test(`graph-client: passwords by ${version}${path}`, async () => {
    const device = DEVICES[2];
    const entity = await reader.api(`${path}/${device.id}`).version(version).select("credentials").get();
    assert.equal(entity.id, device.id);
    assert.equal(entity.value, undefined, "the entity is flat");
    assert.equal(textOf(entity.credentials[0]), device.password);
    const metadata = await reader.api(`${path}/${device.id}`).version(version).get();
    assert.ok(!("credentials" in metadata));
  });
}

test("graph-client: every password is what the command line prints", async () => {
  for (const device of DEVICES.slice(1)) {
    assert.equal(textOf((await credentialsOf(device)).credentials[0]), device.password);
  }
});

test("graph-client: pages", async () => {
  for (const path of ["/directory/deviceLocalCredentials", "/devices"]) {
    const first = await reader.api(path).top(2).get();
    assert.equal(first.value.length, 2);
    assert.ok(first["@odata.nextLink"].startsWith(`${URL_}/v1.0${path}?`));
    const seen = [];
    await new PageIterator(reader, first, (item) => seen.push(item.deviceId ?? item.id) > 0).iterate();
    assert.equal(new Set(seen).size, seen.length);
    for (const { id } of DEVICES) assert.ok(seen.includes(id));
  }
});

test("graph-client: devices list, get, patch, delete", async () => {
  const [device] = DEVICES;
  const found = await reader.api("/devices").filter(`displayName eq '${device.name}'`).get();
  assert.deepEqual(found.value.map(({ deviceId }) => deviceId), [device.id]);
  const same = await reader.api(`/devices(deviceId='${device.id}')`).get();
  assert.equal(same.id, found.value[0].id);

  const path = `/devices/${DEVICES[3].id}`;
  for (const accountEnabled of [false, true]) {
    await reader.api(path).patch({ "@odata.type": "#microsoft.graph.device", accountEnabled });
    assert.equal((await reader.api(path).get()).accountEnabled, accountEnabled);
  }

  const doomed = `/devices/${FLEET.doomed.node.id}`;
  await reader.api(doomed).delete();
  // As in Graph, an object that was deleted is not found by its id.
  await refused(reader.api(doomed).get(), 404, "Request_ResourceNotFound");
  await refused(reader.api(doomed).delete(), 404, "Request_ResourceNotFound");
});

test("graph-client: device registration policy, read and written whole", async () => {
  const path = "/policies/deviceRegistrationPolicy";
  const { "@odata.context": _, ...policy } = await reader.api(path).get();
  assert.equal(policy.localAdminPassword.isEnabled, true);
  const written = await reader.api(path).version("beta").put({ ...policy, userDeviceQuota: 7 });
  assert.equal(written.userDeviceQuota, 7);
  assert.equal(written.localAdminPassword.isEnabled, true);
  await refused(graph(credential("helpdesk")).api(path).put(policy), 403, "Authorization_RequestDenied");
});

test("graph-client: rotateLocalAdminPassword", async () => {
  const [device] = DEVICES;
  const intune = graph(credential("intune"));
  const before = textOf((await credentialsOf(device)).credentials[0]);
  const path = `/deviceManagement/managedDevices/${device.id}`;
  await intune.api(`${path}/rotateLocalAdminPassword`).version("beta").post({});
  for (const until = Date.now() + 60_000; ; await sleep(200)) {
    const [result] = (await intune.api(path).version("beta").get()).deviceActionResults;
    assert.equal(result.actionName, "rotateLocalAdminPassword");
    if (result.actionState === "done") break;
    assert.ok(Date.now() < until, `the rotation is still ${result.actionState}`);
  }
  const { credentials } = await credentialsOf(device);
  assert.notEqual(textOf(credentials[0]), before);
  assert.equal(textOf(credentials[1]), before);
  await refused(
    graph(credential("helpdesk")).api(`${path}/rotateLocalAdminPassword`).version("beta").post({}),
    403,
    "Authorization_RequestDenied",
  );
});

test("graph-client: errors", async () => {
  const [device] = DEVICES;
  const error = await refused(credentialsOf(device, graph(credential("helpdesk"))), 403, "Authorization_RequestDenied");
  const mine = randomUUID();
  const unknown = await refused(
    reader.api(`/directory/deviceLocalCredentials/${randomUUID()}`).header("client-request-id", mine).get(),
    404,
    "Request_ResourceNotFound",
  );
  assert.equal(JSON.parse(unknown.body).innerError["client-request-id"], mine);
  assert.notEqual(error.requestId, unknown.requestId);
  await refused(reader.api("/devices").filter("displayName is 'x'").get(), 400, "Request_BadRequest");
  await refused(reader.api("/no/such/route").get(), 404, "Request_ResourceNotFound");
  const forged = { getToken: async () => ({ token: "a.b.c", expiresOnTimestamp: Date.now() + 3_600_000 }) };
  await refused(graph(forged).api("/devices").get(), 401, "InvalidAuthenticationToken");
});
