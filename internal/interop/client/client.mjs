// A real relying party, npm openid-client, for the tests of our development
// provider. It reads commands from stdin, a JSON object on each line, and
// answers each by a line on stdout:
//
//   {do: "start", ...}   begins a login          → {url}
//   {do: "finish", url, form}  takes the response → what came of it
//   {do: "logout"}       leaves                   → {url}
//
// or {error} where openid-client refused something. Its first line has its
// public keys. It ends when its stdin closes, so it never outlives a test.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import * as https from 'node:https';
import * as readline from 'node:readline';
import * as client from 'openid-client';

const algorithms = {
  RS256: ['rsa', { modulusLength: 2048 }, { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }],
  PS256: ['rsa', { modulusLength: 2048 }, { name: 'RSA-PSS', hash: 'SHA-256' }],
  ES256: ['ec', { namedCurve: 'P-256' }, { name: 'ECDSA', namedCurve: 'P-256' }],
  EdDSA: ['ed25519', {}, { name: 'Ed25519' }],
  'RSA-OAEP': ['rsa', { modulusLength: 2048 }, { name: 'RSA-OAEP', hash: 'SHA-1' }],
  'RSA-OAEP-256': ['rsa', { modulusLength: 2048 }, { name: 'RSA-OAEP', hash: 'SHA-256' }],
  'ECDH-ES': ['ec', { namedCurve: 'P-256' }, { name: 'ECDH', namedCurve: 'P-256' }],
};

const keys = {};
const jwks = { keys: [] };
for (const [alg, [type, options, webcrypto]] of Object.entries(algorithms)) {
  const pair = generateKeyPairSync(type, options);
  const kid = randomBytes(8).toString('hex');
  const use = alg.includes('-') ? 'enc' : 'sig';
  jwks.keys.push({ ...pair.publicKey.export({ format: 'jwk' }), alg, kid, use });
  const usages = { 'ECDH-ES': ['deriveBits'], sig: ['sign'], enc: ['decrypt', 'unwrapKey'] };
  const der = pair.privateKey.export({ format: 'der', type: 'pkcs8' });
  const key = await crypto.subtle.importKey('pkcs8', der, webcrypto, false, usages[alg] ?? usages[use]);
  keys[alg] = { key, kid, alg };
}

// It says Ed25519 (RFC 9864), which few providers know; here it is the older
// word for the same.
const olderName = {
  [client.modifyAssertion](header) {
    if (header.alg === 'Ed25519') header.alg = 'EdDSA';
  },
};

let login; // the one that was started last
const commands = { start, finish, logout };

process.stdout.write(`${JSON.stringify({ jwks })}\n`);
for await (const line of readline.createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  let answer;
  try {
    answer = await commands[command.do](command);
  } catch (err) {
    console.error(err);
    const cause = err.cause?.message ?? (err.cause && JSON.stringify(err.cause));
    answer = { error: [err.code, err.error, err.error_description ?? err.message, cause].filter(Boolean).join(': ') };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

function authentication({ auth, authAlg = 'RS256', secret }) {
  secret ||= undefined; // that of the registration
  switch (auth) {
    case 'client_secret_basic': return client.ClientSecretBasic(secret);
    case 'client_secret_post': return client.ClientSecretPost(secret);
    case 'client_secret_jwt': return client.ClientSecretJwt(secret);
    case 'private_key_jwt': return client.PrivateKeyJwt(keys[authAlg], olderName);
    case 'tls_client_auth':
    case 'self_signed_tls_client_auth': return client.TlsClientAuth();
    case 'none': return client.None();
  }
  return undefined; // what a registered client gets by itself
}

async function start(c) {
  const execute = [client.allowInsecureRequests];
  if (c.responseType === 'code id_token') execute.push(client.useCodeIdTokenResponseType);
  if (c.responseType === 'id_token') execute.push(client.useIdTokenResponseType);
  if (c.jarm) execute.push(client.useJwtResponseMode);
  if (c.detached) execute.push(client.enableDetachedSignatureResponseChecks);
  execute.push(client.enableNonRepudiationChecks); // signatures also where TLS would do
  if (c.decrypt) execute.push((config) => client.enableDecryptingResponses(config, undefined, keys[c.decrypt]));
  const options = { execute, timeout: 20, algorithm: c.oauthMetadata ? 'oauth2' : 'oidc', initialAccessToken: c.initialAccessToken };
  if (c.tls) options[client.customFetch] = (url, init) => fetchWithCertificate(c.tls, url, init);

  const server = new URL(c.issuer);
  const metadata = { ...c.metadata, ...(c.tls && { use_mtls_endpoint_aliases: true }) };
  const config = c.register
    ? await client.dynamicClientRegistration(server, metadata, authentication(c), options)
    : await client.discovery(server, c.clientId, metadata, authentication(c), options);

  login = { config, c, nonce: client.randomNonce(), state: client.randomState() };
  const parameters = { redirect_uri: c.redirectUri, scope: c.scope ?? 'openid profile email', state: login.state, nonce: login.nonce, ...c.parameters };
  if (c.responseType !== 'id_token') {
    login.verifier = client.randomPKCECodeVerifier();
    parameters.code_challenge = await client.calculatePKCECodeChallenge(login.verifier);
    parameters.code_challenge_method = 'S256';
  }
  if (c.dpop) login.options = { DPoP: client.getDPoPHandle(config, await client.randomDPoPKeyPair(c.dpop), olderName) };

  let url;
  if (c.jar) {
    url = await client.buildAuthorizationUrlWithJAR(config, parameters, keys[c.jar], olderName);
    if (c.par) url = await client.buildAuthorizationUrlWithPAR(config, url.searchParams, login.options);
  } else if (c.par) {
    url = await client.buildAuthorizationUrlWithPAR(config, parameters, login.options);
  } else {
    url = client.buildAuthorizationUrl(config, parameters);
  }
  if (c.jarm && c.parameters?.response_mode) url.searchParams.set('response_mode', c.parameters.response_mode); // it always asks for jwt
  return { url: url.href };
}

async function finish({ url, form }) {
  const { config, c, nonce, state, verifier, options } = login;
  const maxAge = c.parameters?.max_age && Number(c.parameters.max_age);
  const response = form === null ? new URL(url) : new Request(url, {
    method: 'POST', body: form, headers: { 'content-type': 'application/x-www-form-urlencoded' },
  });
  if (c.responseType === 'id_token') {
    return { claims: await client.implicitAuthentication(config, response, nonce, { expectedState: state, maxAge }) };
  }
  const tokens = await client.authorizationCodeGrant(config, response, {
    expectedNonce: nonce, expectedState: state, pkceCodeVerifier: verifier, idTokenExpected: true, maxAge,
  }, undefined, options);
  if (!c.decrypt) login.idToken = tokens.id_token; // it gives no decrypted one, as a hint must be (RP-Initiated Logout 2)
  const result = { claims: tokens.claims(), tokenType: tokens.token_type };
  const { sub } = result.claims;
  const resource = async (token) => {
    const call = client.fetchProtectedResource(config, token, new URL(c.resource), 'GET', undefined, undefined, options);
    return call.then((r) => r.status, (err) => err.status ?? err.response?.status ?? String(err));
  };
  result.userInfo = await client.fetchUserInfo(config, tokens.access_token, sub, options);
  result.resource = await resource(tokens.access_token);

  let token = tokens.access_token;
  if (tokens.refresh_token) {
    const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, options);
    const again = await client.fetchUserInfo(config, refreshed.access_token, sub, options);
    result.refreshed = { claims: refreshed.claims(), rotated: refreshed.refresh_token !== tokens.refresh_token, userInfo: again };
    await client.tokenRevocation(config, refreshed.refresh_token, { token_type_hint: 'refresh_token' });
    token = refreshed.access_token;
    result.refreshed.afterRevocation = await client.refreshTokenGrant(config, refreshed.refresh_token, undefined, options)
      .then(() => 'granted', (err) => err.error ?? String(err));
  } else {
    await client.tokenRevocation(config, token);
  }
  result.resourceAfterRevocation = await resource(token);
  return result;
}

async function logout({ returnTo }) {
  const { config, idToken, state } = login;
  return {
    url: client.buildEndSessionUrl(config, { post_logout_redirect_uri: returnTo, state, ...(idToken && { id_token_hint: idToken }) }).href,
    state,
  };
}

// fetchWithCertificate is fetch with a client certificate, which Node's own
// cannot have.
async function fetchWithCertificate({ ca, cert, key }, url, { method, headers, body, signal }) {
  const secure = new URL(url).protocol === 'https:';
  if (!secure) return fetch(url, { method, headers, body, signal, redirect: 'manual' });
  const given = Object.fromEntries(new Headers(headers));
  return new Promise((resolve, reject) => {
    const req = https.request(url, { method, headers: given, ca, cert, key, signal, agent: false }, (res) => {
      const chunks = [];
      res.on('data', (chunk) => chunks.push(chunk));
      res.on('error', reject);
      res.on('end', () => {
        const empty = res.statusCode === 204 || res.statusCode === 304;
        resolve(new Response(empty ? null : Buffer.concat(chunks), { status: res.statusCode, headers: new Headers(res.headers) }));
      });
    });
    req.on('error', reject);
    req.end(body === undefined || body === null ? undefined : String(body));
  });
}
