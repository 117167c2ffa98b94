// A certified OpenID provider on loopback. Everybody logs in with any name and any password.
// PORT, REDIRECT_URI; SIGNING_KEYS names the keys (comma-separated), so a restart can rotate them.
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { Provider } from 'oidc-provider';

const { PORT, REDIRECT_URI, SIGNING_KEYS, KEY_FOLDER } = process.env;
const issuer = `http://127.0.0.1:${PORT}`;

function signingKey(kid) {
  const file = `${KEY_FOLDER}/${kid}.json`;
  if (!existsSync(file)) {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    writeFileSync(file, JSON.stringify({ ...privateKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' }));
  }
  return JSON.parse(readFileSync(file, 'utf8'));
}

const client = (client_id, more) => ({
  client_id,
  redirect_uris: [REDIRECT_URI],
  grant_types: ['authorization_code'],
  response_types: ['code'],
  id_token_signed_response_alg: 'RS256',
  ...more,
});

const provider = new Provider(issuer, {
  clients: [
    client('public-client', { token_endpoint_auth_method: 'none' }),
    client('secret-client', { client_secret: 'a secret: with/odd+characters', token_endpoint_auth_method: 'client_secret_basic' }),
    {
      client_id: 'robot', client_secret: 'robot', grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
    },
  ],
  cookies: { keys: ['only for tests'] },
  jwks: { keys: SIGNING_KEYS.split(',').map(signingKey) },
  pkce: { required: () => true },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  features: {
    devInteractions: { enabled: true },
    clientCredentials: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, resource) => ({ scope: 'api', audience: resource.replace('urn:', ''), accessTokenTTL: 60, accessTokenFormat: 'jwt' }),
    },
  },
});
provider.listen(Number(PORT), '127.0.0.1', () => console.log(`ready at ${issuer}`));
