// The bank's OAuth authorisation server on the stage: client credentials (RFC 6749 §4.4), JWT access tokens (RFC 9068) and
// opaque ones with introspection (RFC 7662), bound to the client's certificate (RFC 8705 §3).
//
// `node --preserve-symlinks-main server.mjs SETTINGS`, where SETTINGS is JSON: {"issuer", "files": {"certificate", "key",
// "clientCa"}, "secrets": {"hub", "gateway"}}; src/stage/authorisation_server.rs starts it so. It listens on free ports of
// 127.0.0.1, says so in a line `ready {…}`, and ends when its standard input does.

import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';

import { Provider } from 'oidc-provider';

const { issuer, files, secrets } = JSON.parse(process.argv[2]);
const SCOPES = ['accounts', 'payments'];

// Through PEM, because Node 20 hangs now and then when a key that it has just generated is exported as JWK.
function signingKey(type, options) {
  const pem = generateKeyPairSync(type, options).privateKey.export({ type: 'pkcs8', format: 'pem' });
  return { ...createPrivateKey(pem).export({ format: 'jwk' }), use: 'sig' };
}

function client(id, secret, more) {
  return { client_id: id, client_secret: secret, redirect_uris: [], response_types: [], ...more };
}

// The client's certificate, if the Trust Framework vouches for it.
function getCertificate({ socket }) {
  return socket.authorized ? socket.getPeerX509Certificate() : undefined;
}

// The resource that a client names says what its token shall be: AUDIENCE/FORMAT?ttl=SECONDS, where AUDIENCE is scheme and
// host, and FORMAT is `opaque` or the algorithm of a JWT.
function getResourceServerInfo(ctx, resource) {
  const { origin, pathname, searchParams } = new URL(resource);
  const format = pathname.slice(1);
  return {
    audience: origin,
    scope: SCOPES.join(' '),
    accessTokenTTL: Number(searchParams.get('ttl')),
    accessTokenFormat: format === 'opaque' ? 'opaque' : 'jwt',
    jwt: format === 'opaque' ? undefined : { sign: { alg: format } },
  };
}

const grant = { grant_types: ['client_credentials'], scope: SCOPES.join(' ') };
const provider = new Provider(issuer, {
  clients: [
    client('hub', secrets.hub, { ...grant, tls_client_certificate_bound_access_tokens: true }),
    client('hub-unbound', secrets.hub, grant),
    client('gateway', secrets.gateway, { grant_types: [] }),
  ],
  jwks: { keys: [signingKey('rsa', { modulusLength: 2048 }), signingKey('ec', { namedCurve: 'P-256' })] },
  scopes: SCOPES,
  ttl: { ClientCredentials: (ctx, token) => token.resourceServer.accessTokenTTL },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: (ctx, { clientId }) => clientId === 'gateway' },
    revocation: { enabled: true, allowedPolicy: (ctx, { clientId }, token) => clientId === token.clientId },
    mTLS: { enabled: true, certificateBoundAccessTokens: true, getCertificate },
    resourceIndicators: { enabled: true, getResourceServerInfo },
  },
});
provider.on('server_error', (ctx, error) => console.error(error));

const answer = provider.callback();
const requests = [];
let down = false;

const tls = {
  cert: readFileSync(files.certificate),
  key: readFileSync(files.key),
  ca: readFileSync(files.clientCa),
  requestCert: true,
  rejectUnauthorized: false, // the gateway has no client certificate
};
const server = https.createServer(tls, (request, response) => {
  requests.push(request.url);
  answer(request, response);
});
// Down means that connections are cut; the port stays ours.
server.prependListener('connection', (socket) => down && socket.destroy());

// For the tests: `/down` and `/up`; every answer is the list of requests so far.
const control = http.createServer(({ url }, response) => {
  if (url === '/up') down = false;
  if (url === '/down') {
    down = true;
    server.closeAllConnections();
  }
  response.end(JSON.stringify(requests));
});

await Promise.all([server, control].map((each) => new Promise((ready) => each.listen(0, '127.0.0.1', ready))));
console.log(`ready ${JSON.stringify({ port: server.address().port, control: control.address().port })}`);
process.stdin.resume().on('end', () => process.exit());
