"""Python's clients of Microsoft Graph, unmodified, against a Lapwing server: msal, azure-identity, msgraph-sdk.

ci/clients.sh starts the server and a fleet, and writes what is there into the JSON file that LAPWING_FLEET names.
The server's CA comes by REQUESTS_CA_BUNDLE (requests: msal, azure-identity) and SSL_CERT_FILE (httpx: msgraph-sdk).
"""

import asyncio
import base64
import concurrent.futures
import html.parser
import http.client
import json
import logging
import os
import secrets
import socket
import ssl
import sys
import threading
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request
import uuid
from datetime import datetime, timedelta, timezone

import azure.identity
import azure.identity.aio
import jwt
import msal
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.method import Method
from kiota_abstractions.request_information import RequestInformation
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from kiota_http.middleware.options import RetryHandlerOption
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.devices.devices_request_builder import DevicesRequestBuilder
from msgraph.generated.devices_with_device_id.devices_with_device_id_request_builder import (
    DevicesWithDeviceIdRequestBuilder,
)
from msgraph.generated.device_management.managed_devices.managed_devices_request_builder import (
    ManagedDevicesRequestBuilder,
)
from msgraph.generated.audit_logs.directory_audits.directory_audits_request_builder import (
    DirectoryAuditsRequestBuilder,
)
from msgraph.generated.directory.device_local_credentials.device_local_credentials_request_builder import (
    DeviceLocalCredentialsRequestBuilder,
)
from msgraph.generated.directory.device_local_credentials.item.device_local_credential_info_item_request_builder import (
    DeviceLocalCredentialInfoItemRequestBuilder,
)
from msgraph.generated.organization.organization_request_builder import OrganizationRequestBuilder
from msgraph.generated.models.device import Device
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph_core.tasks.page_iterator import PageIterator

with open(os.environ["LAPWING_FLEET"], encoding="utf-8") as file:
    FLEET = json.load(file)
URL = FLEET["url"]
TENANT = FLEET["tenant"]
AUTHORITY = f"{URL}/{TENANT}"
HOST = urllib.parse.urlsplit(URL).hostname
PORT = urllib.parse.urlsplit(URL).port
GRAPH = "https://graph.microsoft.com"
DEFAULT_SCOPE = [f"{GRAPH}/.default"]
# A program that people sign in with; any id will do, as long as it does not change.
PUBLIC_CLIENT = "d1a4ac5e-0b7c-4b0a-9c56-6f8a3c0c7f11"


def principal(name):
    return FLEET["principals"][name]


def credential(name):
    """azure-identity, pointed at the server."""
    of = principal(name)
    return azure.identity.ClientSecretCredential(
        of["tenantId"],
        of["clientId"],
        of["clientSecret"],
        authority=URL,
        disable_instance_discovery=True,
    )


def graph(of, version="v1.0"):
    """msgraph-sdk, pointed at the server. Without allowed_hosts it sends no token to other hosts than its own."""
    provider = AzureIdentityAuthenticationProvider(of, scopes=DEFAULT_SCOPE, allowed_hosts=[HOST])
    adapter = GraphRequestAdapter(provider)
    adapter.base_url = f"{URL}/{version}"
    return GraphServiceClient(request_adapter=adapter)


def configured(builder, headers=None, options=None, **query):
    """A request's options; builder is the class whose nested ...QueryParameters class holds them."""
    if query:
        name = next(name for name in dir(builder) if name.endswith("GetQueryParameters"))
        query = {"query_parameters": getattr(builder, name)(**query)}
    configuration = RequestConfiguration(**query)
    for header, value in (headers or {}).items():
        configuration.headers.add(header, value)
    if options:
        configuration.options = options
    return configuration


def without_retry():
    return [RetryHandlerOption(max_retries=0, should_retry=False)]


def text_of(version):
    """What a stored password is: base64 of UTF-8. The SDK gives the property as it stands in the JSON."""
    return base64.b64decode(version.password_base64).decode("utf-8")


def fetched(path):
    with urllib.request.urlopen(f"{URL}{path}", timeout=30) as answer:
        return json.load(answer)


class Form(html.parser.HTMLParser):
    """The first form of a page: where it goes, its inputs with their values, the main button."""

    def __init__(self, page):
        super().__init__()
        self.action, self.method, self.fields, self.types = None, None, {}, {}
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form":
            self.action, self.method = attributes["action"], attributes["method"]
        elif tag == "input":
            self.fields[attributes["name"]] = attributes.get("value", "")
            self.types[attributes["name"]] = attributes.get("type", "text")


class Browser:
    """Opens the page that a device code names and fills its forms in, with the headers that a browser sends."""

    def open(self, address):
        request = urllib.request.Request(address, headers={"Accept": "text/html", "Sec-Fetch-Site": "none"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()

    def send(self, form, **typed):
        fields = {**form.fields, **typed}
        request = urllib.request.Request(
            urllib.parse.urljoin(URL, form.action),
            data=urllib.parse.urlencode(fields).encode(),
            headers={"Accept": "text/html", "Origin": URL, "Sec-Fetch-Site": "same-origin"},
            method=form.method.upper(),
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def sign_in(self, test, address, user_code, user):
        """Signs a person in; at the first time with the one-time secret, for which a password is chosen."""
        status, page = self.open(address)
        test.assertEqual(status, 200)
        form = Form(page)
        test.assertEqual(form.types["password"], "password")
        first = "password" not in user
        secret = user["oneTimeSecret"] if first else user["password"]
        status, page = self.send(form, user_code=user_code, user_name=user["name"], password=secret, answer="agree")
        if first:
            form = Form(page)
            test.assertIn("new_password", form.fields, page)
            chosen = secrets.token_urlsafe(24)
            status, page = self.send(form, password=secret, new_password=chosen, new_password_again=chosen)
            user["password"] = chosen
        test.assertEqual(status, 200, page)


USER = dict(FLEET["user"])


class Documents(unittest.TestCase):
    def test_metadata_has_what_clients_ask_for(self):
        document = fetched(f"/{TENANT}/v2.0/.well-known/openid-configuration")
        self.assertEqual(document["issuer"], f"{URL}/{TENANT}/v2.0")
        self.assertEqual(document["token_endpoint"], f"{URL}/{TENANT}/oauth2/v2.0/token")
        self.assertEqual(document["device_authorization_endpoint"], f"{URL}/{TENANT}/oauth2/v2.0/devicecode")
        self.assertEqual(document["subject_types_supported"], ["pairwise"])
        self.assertEqual(document["id_token_signing_alg_values_supported"], ["RS256"])
        for name in ("authorization_endpoint", "end_session_endpoint", "scopes_supported", "claims_supported"):
            self.assertTrue(document[name], name)
        for alias in ("common", "organizations"):
            self.assertEqual(fetched(f"/{alias}/v2.0/.well-known/openid-configuration")["issuer"], document["issuer"])

    def test_keys_verify_a_token(self):
        document = fetched(f"/{TENANT}/v2.0/.well-known/openid-configuration")
        token = credential("reader").get_token(*DEFAULT_SCOPE).token
        key = jwt.PyJWKClient(document["jwks_uri"]).get_signing_key_from_jwt(token)
        claims = jwt.decode(token, key.key, algorithms=["RS256"], audience=GRAPH, issuer=document["issuer"])
        self.assertEqual(claims["tid"], TENANT)
        self.assertEqual(claims["appid"], principal("reader")["clientId"])
        self.assertIn("DeviceLocalCredential.Read.All", claims["roles"])

    def test_certificates_pass_strict_checks(self):
        # Python 3.13 and later check certificates by RFC 5280 to the letter.
        context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        with socket.create_connection((HOST, PORT), timeout=30) as raw:
            with context.wrap_socket(raw, server_hostname=HOST) as connection:
                self.assertIn(connection.version(), ("TLSv1.2", "TLSv1.3"))


class Msal(unittest.TestCase):
    def confidential(self, name, **changed):
        of = {**principal(name), **changed}
        return msal.ConfidentialClientApplication(
            of["clientId"], client_credential=of["clientSecret"], authority=AUTHORITY, instance_discovery=False
        )

    def test_client_credentials(self):
        application = self.confidential("reader")
        answer = application.acquire_token_for_client(DEFAULT_SCOPE)
        self.assertIn("access_token", answer, answer)
        self.assertEqual(answer["token_type"], "Bearer")
        self.assertIsInstance(answer["expires_in"], int)
        again = application.acquire_token_for_client(DEFAULT_SCOPE)
        self.assertEqual(again["token_source"], "cache")

    def test_client_credentials_by_oidc_authority(self):
        of = principal("reader")
        application = msal.ConfidentialClientApplication(
            of["clientId"], client_credential=of["clientSecret"], oidc_authority=f"{AUTHORITY}/v2.0"
        )
        answer = application.acquire_token_for_client(DEFAULT_SCOPE)
        self.assertIn("access_token", answer, answer)

    def test_a_wrong_secret_is_told_as_entra_tells_it(self):
        answer = self.confidential("reader", clientSecret="wrong").acquire_token_for_client(DEFAULT_SCOPE)
        self.assertEqual(answer["error"], "invalid_client")
        self.assertEqual(answer["error_codes"], [7000215])
        self.assertTrue(answer["error_description"].startswith("AADSTS7000215: "))
        self.assertTrue(answer["correlation_id"] and answer["trace_id"])

    def test_device_code(self):
        application = msal.PublicClientApplication(PUBLIC_CLIENT, authority=AUTHORITY, instance_discovery=False)
        scopes = [f"{GRAPH}/{name}" for name in ("DeviceLocalCredential.Read.All", "Device.Read.All")]
        flow = application.initiate_device_flow(scopes)
        self.assertIn("user_code", flow, flow)
        self.assertIn(flow["user_code"], flow["message"])
        # One poll before the person did anything, as MSAL does it.
        pending = application.acquire_token_by_device_flow(flow, exit_condition=lambda flow: True)
        self.assertEqual(pending["error"], "authorization_pending", pending)
        Browser().sign_in(self, flow["verification_uri"], flow["user_code"], USER)
        flow["expires_at"] = time.time() + 60
        time.sleep(flow["interval"])
        answer = application.acquire_token_by_device_flow(flow)
        self.assertIn("access_token", answer, answer)
        claims = answer["id_token_claims"]
        self.assertEqual(
            (claims["aud"], claims["tid"], claims["preferred_username"]), (PUBLIC_CLIENT, TENANT, USER["name"])
        )
        accounts = application.get_accounts()
        self.assertEqual([account["username"] for account in accounts], [USER["name"]])
        self.assertEqual(accounts[0]["home_account_id"], f"{claims['oid']}.{TENANT}")
        cached = application.acquire_token_silent(scopes, accounts[0])
        self.assertEqual(cached["access_token"], answer["access_token"])
        renewed = application.acquire_token_silent(scopes, accounts[0], force_refresh=True)
        self.assertEqual(renewed["token_source"], "identity_provider")
        self.assertTrue(renewed["access_token"])

    def test_a_refused_device_code(self):
        application = msal.PublicClientApplication(PUBLIC_CLIENT, authority=AUTHORITY, instance_discovery=False)
        flow = application.initiate_device_flow(DEFAULT_SCOPE)
        if "password" not in USER:
            other = application.initiate_device_flow(DEFAULT_SCOPE)
            Browser().sign_in(self, other["verification_uri"], other["user_code"], USER)
        form = Form(Browser().open(flow["verification_uri"])[1])
        typed = {"user_code": flow["user_code"], "user_name": USER["name"], "password": USER["password"]}
        Browser().send(form, answer="refuse", **typed)
        answer = application.acquire_token_by_device_flow(flow)
        self.assertEqual(answer["error"], "authorization_declined", answer)

    def test_a_form_of_another_site_is_refused(self):
        request = urllib.request.Request(
            f"{URL}/device", data=b"user_code=x", headers={"Origin": "https://other.example"}, method="POST"
        )
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=30)
        self.assertEqual(caught.exception.code, 403)


class AzureIdentity(unittest.IsolatedAsyncioTestCase):
    def test_client_secret(self):
        token = credential("reader").get_token(*DEFAULT_SCOPE)
        self.assertGreater(token.expires_on, time.time() + 60)

    def test_a_wrong_secret(self):
        of = principal("reader")
        wrong = azure.identity.ClientSecretCredential(
            of["tenantId"], of["clientId"], "wrong", authority=URL, disable_instance_discovery=True
        )
        with self.assertRaisesRegex(azure.core.exceptions.ClientAuthenticationError, "AADSTS7000215"):
            wrong.get_token(*DEFAULT_SCOPE)

    async def test_client_secret_async(self):
        of = principal("reader")
        async with azure.identity.aio.ClientSecretCredential(
            of["tenantId"], of["clientId"], of["clientSecret"], authority=URL, disable_instance_discovery=True
        ) as asynchronous:
            self.assertTrue((await asynchronous.get_token(*DEFAULT_SCOPE)).token)

    async def test_device_code_reads_a_password(self):
        def shown(address, user_code, _expires):
            Browser().sign_in(self, address, user_code, USER)

        person = azure.identity.DeviceCodeCredential(
            PUBLIC_CLIENT,
            tenant_id=TENANT,
            authority=URL,
            disable_instance_discovery=True,
            prompt_callback=shown,
            timeout=120,
        )
        person.authenticate(scopes=DEFAULT_SCOPE)
        client = graph(person)
        device = FLEET["devices"][1]
        found = await client.directory.device_local_credentials.by_device_local_credential_info_id(device["id"]).get(
            configured(DeviceLocalCredentialInfoItemRequestBuilder, select=["credentials"])
        )
        self.assertEqual(text_of(found.credentials[0]), device["password"])
        me = await client.me.get()
        self.assertEqual(me.user_principal_name, USER["name"])


class Graph(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.client = graph(credential("reader"))

    def credentials(self, device, client=None):
        store = (client or self.client).directory.device_local_credentials
        return store.by_device_local_credential_info_id(device["id"])

    async def error(self, awaited, status, code):
        with self.assertRaises(ODataError) as caught:
            await awaited
        error = caught.exception
        self.assertEqual(error.response_status_code, status)
        self.assertEqual(error.error.code, code)
        self.assertTrue(error.error.message)
        self.assertTrue(uuid.UUID(error.error.inner_error.request_id))
        self.assertTrue(error.error.inner_error.client_request_id)
        self.assertLess(abs(datetime.now(timezone.utc) - aware(error.error.inner_error.date)), timedelta(minutes=5))
        return error

    async def test_list(self):
        page = await self.client.directory.device_local_credentials.get()
        found = {item.id: item for item in page.value}
        for device in FLEET["devices"]:
            item = found[device["id"]]
            self.assertEqual(item.device_name, device["name"])
            self.assertIsInstance(item.last_backup_date_time, datetime)
            self.assertGreater(item.refresh_date_time, item.last_backup_date_time + timedelta(days=1))
            self.assertIsNone(item.credentials)

    async def test_list_never_gives_passwords(self):
        page = await self.client.directory.device_local_credentials.get(
            configured(DeviceLocalCredentialsRequestBuilder, select=["id", "deviceName", "credentials"])
        )
        self.assertTrue(page.value)
        self.assertTrue(all(item.credentials is None for item in page.value))

    async def test_list_by_name(self):
        device = FLEET["devices"][2]
        page = await self.client.directory.device_local_credentials.get(
            configured(DeviceLocalCredentialsRequestBuilder, filter=f"deviceName eq '{device['name']}'")
        )
        self.assertEqual([item.id for item in page.value], [device["id"]])

    async def test_metadata_of_one(self):
        item = await self.credentials(FLEET["devices"][0]).get()
        self.assertEqual(item.id, FLEET["devices"][0]["id"])
        self.assertIsNone(item.credentials)

    async def test_every_password_is_what_the_command_line_prints(self):
        for device in FLEET["devices"]:
            item = await self.credentials(device).get(
                configured(
                    DeviceLocalCredentialInfoItemRequestBuilder,
                    headers={"ocp-client-name": "Lapwing test", "ocp-client-version": "1.0"},
                    select=["credentials"],
                )
            )
            self.assertEqual((item.id, item.device_name), (device["id"], device["name"]))
            best = item.credentials[0]
            self.assertEqual(text_of(best), device["password"])
            self.assertEqual(best.account_name, "root")
            self.assertEqual(best.account_sid, "S-1-22-1-0")
            self.assertIsInstance(best.backup_date_time, datetime)
            self.assertEqual(best.additional_data["state"], "current")

    async def test_pages(self):
        store = self.client.directory.device_local_credentials
        first = await store.get(configured(DeviceLocalCredentialsRequestBuilder, top=2))
        self.assertEqual(len(first.value), 2)
        self.assertTrue(first.odata_next_link.startswith(f"{URL}/v1.0/directory/deviceLocalCredentials?"))
        seen, page, pages = [item.id for item in first.value], first, 1
        while page.odata_next_link:
            page = await store.with_url(page.odata_next_link).get()
            self.assertLessEqual(len(page.value), 2)
            seen += [item.id for item in page.value]
            pages += 1
        self.assertEqual(len(seen), len(set(seen)))
        self.assertLessEqual({device["id"] for device in FLEET["devices"]}, set(seen))
        self.assertGreaterEqual(pages, 2)

    async def test_pages_by_the_iterator(self):
        first = await self.client.devices.get(configured(DevicesRequestBuilder, top=2))
        seen = []
        iterator = PageIterator(first, self.client.request_adapter)
        await iterator.iterate(lambda device: seen.append(device.device_id) or True)
        self.assertLessEqual({device["id"] for device in FLEET["devices"]}, set(seen))
        self.assertEqual(len(seen), len(set(seen)))

    async def test_devices(self):
        device = FLEET["devices"][0]
        page = await self.client.devices.get(
            configured(
                DevicesRequestBuilder, filter=f"DisplayName eq '{device['name']}'", select=["id", "deviceId"]
            )
        )
        self.assertEqual([found.device_id for found in page.value], [device["id"]])
        one = await self.client.devices.by_device_id(page.value[0].id).get()
        self.assertEqual((one.device_id, one.display_name), (device["id"], device["name"]))
        self.assertIs(one.account_enabled, True)
        self.assertEqual(one.trust_type, "AzureAd")
        self.assertEqual((one.operating_system, one.operating_system_version), ("debian", "13"))
        self.assertIsInstance(one.registration_date_time, datetime)
        same = await self.client.devices_with_device_id(device["id"]).get()
        self.assertEqual(same.id, one.id)
        quoted = await self.client.devices.get(configured(DevicesRequestBuilder, filter="displayName eq 'O''Brien'"))
        self.assertEqual(quoted.value, [])

    async def test_device_is_disabled_and_enabled(self):
        item = self.client.devices.by_device_id(FLEET["devices"][3]["id"])
        for enabled in (False, True):
            await item.patch(Device(account_enabled=enabled))
            self.assertIs((await item.get()).account_enabled, enabled)

    async def test_device_is_deleted(self):
        doomed = FLEET["doomed"]["python"]
        item = self.client.devices.by_device_id(doomed["id"])
        await item.delete()
        listed = await self.client.devices.get()
        self.assertNotIn(doomed["id"], [device.device_id for device in listed.value])
        listed = await self.client.directory.device_local_credentials.get()
        self.assertNotIn(doomed["id"], [one.id for one in listed.value])
        # As in Graph, an object that was deleted is not found by its id.
        await self.error(item.get(), 404, "Request_ResourceNotFound")
        await self.error(item.delete(), 404, "Request_ResourceNotFound")
        await self.error(
            self.credentials(doomed).get(
                configured(DeviceLocalCredentialInfoItemRequestBuilder, select=["credentials"])
            ),
            # Its tombstone's passwords need a stricter role.
            403,
            "Authorization_RequestDenied",
        )

    async def test_registration_policy(self):
        policy = await self.client.policies.device_registration_policy.get()
        self.assertEqual(policy.id, "deviceRegistrationPolicy")
        self.assertIs(policy.local_admin_password.is_enabled, True)

    async def test_managed_devices(self):
        device = FLEET["devices"][0]
        page = await self.client.device_management.managed_devices.get(
            configured(ManagedDevicesRequestBuilder, filter=f"azureADDeviceId eq '{device['id']}'")
        )
        self.assertEqual([found.device_name for found in page.value], [device["name"]])
        one = await self.client.device_management.managed_devices.by_managed_device_id(page.value[0].id).get()
        self.assertEqual(one.azure_a_d_device_id, device["id"])

    async def test_rotation_by_beta(self):
        # The action is in the beta SDK only: a request of the SDK's own adapter.
        device = FLEET["devices"][0]
        client = graph(credential("intune"), "beta")
        before = text_of((await self.revealed(device)).credentials[0])
        request = RequestInformation(
            Method.POST,
            "{+baseurl}/deviceManagement/managedDevices/{id}/rotateLocalAdminPassword",
            {"baseurl": f"{URL}/beta", "id": device["id"]},
        )
        await client.request_adapter.send_no_response_content_async(request, {"XXX": ODataError})
        managed = graph(credential("intune")).device_management.managed_devices.by_managed_device_id(device["id"])
        until = time.monotonic() + 60
        while True:
            result = (await managed.get()).device_action_results[0]
            self.assertEqual(result.action_name, "rotateLocalAdminPassword")
            if str(result.action_state.value) == "done":
                break
            self.assertLess(time.monotonic(), until, f"the rotation is still {result.action_state}")
            time.sleep(0.2)
        after = (await self.revealed(device)).credentials
        self.assertNotEqual(text_of(after[0]), before)
        self.assertEqual(text_of(after[1]), before)
        self.assertGreater(after[0].backup_date_time, after[1].backup_date_time)

    async def revealed(self, device):
        return await self.credentials(device).get(
            configured(DeviceLocalCredentialInfoItemRequestBuilder, select=["credentials"])
        )

    async def test_a_reading_is_in_the_audit_log(self):
        device = FLEET["devices"][4]
        await self.revealed(device)
        log = graph(credential("auditor")).audit_logs.directory_audits
        page = await log.get(
            configured(
                DirectoryAuditsRequestBuilder,
                filter="activityDisplayName eq 'Recover device local administrator password'"
                f" and targetResources/any(t:t/id eq '{device['id']}')",
                top=5,
            )
        )
        newest = page.value[0]
        self.assertEqual(newest.category, "Device")
        self.assertEqual(newest.logged_by_service, "Device Registration Service")
        self.assertEqual(str(newest.result.value), "success")
        self.assertEqual(newest.initiated_by.app.display_name, "clients-reader")
        self.assertEqual(newest.target_resources[0].display_name, device["name"])

    async def test_metadata_without_the_right_to_passwords(self):
        client = graph(credential("helpdesk"))
        device = FLEET["devices"][0]
        self.assertEqual((await self.credentials(device, client).get()).device_name, device["name"])
        error = await self.error(
            self.credentials(device, client).get(
                configured(DeviceLocalCredentialInfoItemRequestBuilder, select=["credentials"])
            ),
            403,
            "Authorization_RequestDenied",
        )
        self.assertNotIn(device["password"], str(error))
        await self.error(
            client.devices.by_device_id(device["id"]).patch(Device(account_enabled=False)),
            403,
            "Authorization_RequestDenied",
        )

    async def test_permission_without_a_role(self):
        client = graph(credential("permitted"))
        device = FLEET["devices"][1]
        item = await self.credentials(device, client).get(
            configured(DeviceLocalCredentialInfoItemRequestBuilder, select=["credentials"])
        )
        self.assertEqual(text_of(item.credentials[0]), device["password"])
        await self.error(
            client.devices.by_device_id(device["id"]).delete(), 403, "Authorization_RequestDenied"
        )

    async def test_unknown_device(self):
        unknown = {"id": str(uuid.uuid4())}
        await self.error(self.credentials(unknown).get(), 404, "Request_ResourceNotFound")
        await self.error(
            self.client.devices.by_device_id("not-an-id").get(), 404, "Request_ResourceNotFound"
        )

    async def test_the_client_finds_its_request_again(self):
        mine = str(uuid.uuid4())
        error = await self.error(
            self.client.devices.by_device_id(str(uuid.uuid4())).get(
                configured(DevicesWithDeviceIdRequestBuilder, headers={"client-request-id": mine})
            ),
            404,
            "Request_ResourceNotFound",
        )
        self.assertEqual(error.error.inner_error.client_request_id, mine)
        headers = {name.lower(): value for name, value in error.response_headers.items()}
        self.assertEqual(headers["client-request-id"], mine)
        self.assertEqual(headers["request-id"], error.error.inner_error.request_id)

    async def test_bad_query(self):
        await self.error(
            self.client.devices.get(configured(DevicesRequestBuilder, filter="displayName is 'x'")),
            400,
            "Request_BadRequest",
        )

    async def test_a_token_of_another_server(self):
        class Other:
            def get_token(self, *_scopes, **_options):
                forged = jwt.encode({"aud": GRAPH, "tid": TENANT}, "0" * 32, algorithm="HS256")
                return azure.core.credentials.AccessToken(forged, int(time.time()) + 3600)

        await self.error(graph(Other()).devices.get(), 401, "InvalidAuthenticationToken")

    async def test_too_many_requests(self):
        # Others of the same account send more a second than it may in the long run.
        token = credential("hasty").get_token(*DEFAULT_SCOPE).token
        until = time.monotonic() + 30

        def hurry():
            connection = http.client.HTTPSConnection(HOST, PORT, timeout=30)
            refused = None
            while time.monotonic() < until and not enough.is_set():
                connection.request("GET", "/v1.0/organization", headers={"Authorization": f"Bearer {token}"})
                answer = connection.getresponse()
                answer.read()
                if answer.status == 429:
                    refused = answer.headers["Retry-After"]
                    met.set()
            return refused

        enough, met = threading.Event(), threading.Event()
        client, error = graph(credential("hasty")), None
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            others = [pool.submit(hurry) for _ in range(6)]
            try:
                while error is None and time.monotonic() < until:
                    if not met.is_set():
                        await asyncio.sleep(0.05)
                        continue
                    try:
                        await client.organization.get(configured(OrganizationRequestBuilder, options=without_retry()))
                    except ODataError as refused:
                        error = refused
            finally:
                enough.set()
        if error is None and not met.is_set():
            self.skipTest("this machine does not send requests fast enough to meet the limit")
        for value in filter(None, (other.result() for other in others)):
            self.assertTrue(1 <= int(value) <= 60, value)
        self.assertIsNotNone(error)
        self.assertEqual((error.response_status_code, error.error.code), (429, "TooManyRequests"))


def aware(moment):
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def main():
    # Neither how long a task took nor the refusals that tests ask for.
    for name in ("asyncio", "azure"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    passed = result.testsRun - failed - len(result.skipped)
    for test, reason in result.skipped:
        print(f"SKIPPED {test.id()}: {reason}")
    print(f"python: {passed} passed, {failed} failed, {len(result.skipped)} not run")
    sys.exit(failed != 0 or passed == 0)


if __name__ == "__main__":
    main()
