// An independent OpenID provider (npm oidc-provider) over https on loopback, for ci/oidc.sh:
// node provider.mjs CERTIFICATE KEY REDIRECT_URI CLIENT_SECRET; prints its issuer.
import { createServer } from 'node:https';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import Provider from 'oidc-provider';

const [certificate, key, redirect, secret] = process.argv.slice(2);
let answer = (request, response) => response.writeHead(503).end();
const server = createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, (request, response) =>
  answer(request, response));

server.listen(0, '127.0.0.1', () => {
  const issuer = `https://localhost:${server.address().port}`;
  const signing = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
  const provider = new Provider(issuer, {
    clients: [{ client_id: 'lapwing', client_secret: secret, redirect_uris: [redirect] }],
    jwks: { keys: [{ ...signing, kid: 'one', use: 'sig', alg: 'RS256' }] },
    cookies: { keys: ['only for this test'] },
    findAccount: (context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    pkce: { required: () => true },
  });
  answer = provider.callback();
  console.log(issuer);
});
