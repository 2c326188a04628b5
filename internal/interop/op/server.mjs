// A real OpenID provider, npm oidc-provider, for the interoperability and
// browser tests. Configured by the JSON in OIDCRP_OP:
//
//   accounts  {sub: claims}; one that is not listed is made up from its login name
//   clients   client metadata as oidc-provider takes it
//   pages     true: its own sign-in, consent and denial pages, for browsers;
//             false: signs in whoever login_hint names (nobody named: the
//             first account; "deny": the user refuses)
//   tls       {key, cert} as PEM: serve https
//   mtls      {key, cert, ca} as PEM: a second listener, by https, for clients
//             that authenticate with a certificate
//
// It listens on a free loopback port, prints {"issuer": ...} as its only line
// on stdout, and ends when its stdin closes, so it never outlives a test.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import * as http from 'node:http';
import * as https from 'node:https';

// stdout is the ready line's alone; oidc-provider's notices go to the log.
console.info = console.error;
console.log = console.error;
const { default: Provider } = await import('oidc-provider');

const config = JSON.parse(process.env.OIDCRP_OP ?? '{}');
const accounts = config.accounts ?? {};

process.stdin.on('end', () => process.exit(0));
process.stdin.on('error', () => process.exit(0));
process.stdin.resume();

const server = config.tls ? https.createServer(config.tls) : http.createServer();
await new Promise((resolve, reject) => {
  server.once('error', reject);
  server.listen(0, '127.0.0.1', resolve);
});
const doors = [server];
let aliases;
if (config.mtls) {
  const door = https.createServer({ ...config.mtls, requestCert: true, rejectUnauthorized: false });
  await new Promise((resolve, reject) => {
    door.once('error', reject);
    door.listen(0, '127.0.0.1', resolve);
  });
  const at = (path) => `https://127.0.0.1:${door.address().port}${path}`;
  aliases = {
    token_endpoint: at('/token'),
    userinfo_endpoint: at('/me'),
    pushed_authorization_request_endpoint: at('/request'),
    revocation_endpoint: at('/token/revocation'),
  };
  doors.push(door);
}
const issuer = `${config.tls ? 'https' : 'http'}://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: config.clients ?? [],
  findAccount: (ctx, sub) => ({
    accountId: sub,
    claims: () => ({ sub, name: sub, preferred_username: sub, ...accounts[sub] }),
  }),
  claims: {
    openid: ['sub'],
    profile: ['name', 'preferred_username', 'given_name', 'family_name', 'locale', 'updated_at'],
    email: ['email', 'email_verified'],
    groups: ['groups'],
    acr: null,
    auth_time: null,
    iss: null,
    sid: null,
  },
  scopes: ['openid', 'offline_access', 'profile', 'email', 'groups'],
  acrValues: ['urn:example:silver', 'urn:example:gold'],
  cookies: { keys: [randomBytes(32).toString('base64url')] },
  jwks: { keys: signingKeys() },
  pkce: { required: () => true },
  responseTypes: [
    'code', 'id_token', 'id_token token', 'code id_token', 'code token', 'code id_token token',
  ],
  clientAuthMethods: [
    'client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt', 'none',
    ...(config.mtls ? ['tls_client_auth', 'self_signed_tls_client_auth'] : []),
  ],
  ...(aliases && { discovery: { mtls_endpoint_aliases: aliases } }),
  enabledJWA: { idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA', 'HS256'] },
  rotateRefreshToken: true,
  issueRefreshToken: async (ctx, client, code) => client.grantTypeAllowed('refresh_token') && code.scopes.has('offline_access'),
  features: {
    backchannelLogout: { enabled: true },
    claimsParameter: { enabled: true },
    devInteractions: { enabled: config.pages === true },
    dPoP: { enabled: true },
    encryption: { enabled: true },
    introspection: { enabled: true },
    jwtResponseModes: { enabled: true },
    jwtUserinfo: { enabled: true },
    mTLS: {
      enabled: Boolean(config.mtls),
      tlsClientAuth: Boolean(config.mtls),
      selfSignedTlsClientAuth: Boolean(config.mtls),
      getCertificate: ({ socket }) => {
        const shown = socket.getPeerX509Certificate?.();
        return shown && shown.toString();
      },
      certificateAuthorized: ({ socket }) => socket.authorized,
      certificateSubjectMatches: ({ socket }, property, expected) => property === 'tls_client_auth_subject_dn'
        && socket.getPeerX509Certificate().subject === expected,
    },
    pushedAuthorizationRequests: { enabled: true },
    registration: {
      enabled: true,
      // What has to be encoded with care in client_secret_basic.
      secretFactory: () => `${randomBytes(24).toString('base64')}/with+odd%characters&=and:enough~of!them`,
    },
    requestObjects: { enabled: true },
    revocation: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    userinfo: { enabled: true },
  },
  ttl: {
    AccessToken: 300, AuthorizationCode: 60, Grant: 3600, IdToken: 300, Interaction: 600, RefreshToken: 3600, Session: 3600,
  },
  // Its guard against server-side request forgery would refuse our relying
  // party on loopback (back-channel logout, jwks_uri).
  fetch: (url, { dispatcher, ...options } = {}) => fetch(url, options),
});

// Hybrid and implicit clients may not use http or localhost; a test has
// nothing else.
const { invalidate } = provider.Client.Schema.prototype;
provider.Client.Schema.prototype.invalidate = function allowLoopback(message, code) {
  if (code !== 'implicit-force-https' && code !== 'implicit-forbid-localhost') {
    invalidate.call(this, message);
  }
};

if (config.pages !== true) {
  provider.use(answerInteractions);
}
provider.on('server_error', (ctx, err) => console.error('server_error', err));
for (const event of ['authorization', 'grant', 'end_session', 'backchannel', 'userinfo', 'pushed_authorization_request']) {
  provider.on(`${event}.error`, (ctx, err) => console.error(`${event}.error`, err.message, err.error_description ?? '', err.error_detail ?? ''));
}

for (const door of doors) door.on('request', provider.callback());
process.stdout.write(`${JSON.stringify({ issuer })}\n`);

// answerInteractions is the user: it signs in and consents without a page.
async function answerInteractions(ctx, next) {
  if (!ctx.path.startsWith('/interaction/')) {
    return next();
  }
  const { prompt, params, session, grantId } = await provider.interactionDetails(ctx.req, ctx.res);
  const user = params.login_hint || Object.keys(accounts)[0] || 'alice';
  let result;
  if (user === 'deny') {
    result = { error: 'access_denied', error_description: 'the user said no' };
  } else if (prompt.name === 'login') {
    const acr = params.acr_values?.split(' ')[0];
    result = { login: { accountId: user, amr: ['pwd'], ...(acr && { acr }) } };
  } else {
    result = { consent: { grantId: await consent(prompt.details, grantId, session.accountId, params.client_id) } };
  }
  ctx.respond = false;
  return provider.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: prompt.name === 'consent' });
}

async function consent(details, grantId, accountId, clientId) {
  const grant = grantId ? await provider.Grant.find(grantId) : new provider.Grant({ accountId, clientId });
  if (details.missingOIDCScope) grant.addOIDCScope(details.missingOIDCScope.join(' '));
  if (details.missingOIDCClaims) grant.addOIDCClaims(details.missingOIDCClaims);
  for (const [resource, scopes] of Object.entries(details.missingResourceScopes ?? {})) {
    grant.addResourceScope(resource, scopes.join(' '));
  }
  return grant.save();
}

function signingKeys() {
  const jwk = (type, options, extra) => ({
    ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }),
    use: 'sig',
    kid: randomBytes(8).toString('hex'),
    ...extra,
  });
  return [
    jwk('rsa', { modulusLength: 2048 }),
    jwk('ec', { namedCurve: 'P-256' }),
    jwk('ed25519', {}),
    jwk('rsa', { modulusLength: 2048 }, { use: 'enc' }),
  ];
}
