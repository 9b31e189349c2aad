-- What jwt_authn leaves to do of JWT Auth (docs/spec.md, 2.4): the header's typ and cty, issuer and subject against the client certificate
-- of this connection, jti, and the identity headers. As fast as it can be written: what the certificate says is worked out once for many
-- requests, and a header that is set replaces all that a caller sent.

-- The certificate's subject of the request before, and what it says. It is mostly the same one.
local known, organisation, unit

-- The values of a subject in the form of RFC 2253, by attribute; nil if one is there twice.
local function attributes(subject)
  local found, at = {}, 1
  while at <= #subject do
    local equals = subject:find("=", at, true)
    if not equals then return nil end
    local name, parts = subject:sub(at, equals - 1), {}
    at = equals + 1
    while at <= #subject do
      local plain = subject:match("^[^,+\\]+", at)
      local hex = subject:match("^\\(%x%x)", at)
      local escaped = subject:match("^\\(.)", at)
      if plain then
        at = at + #plain
      elseif hex then
        plain, at = string.char(tonumber(hex, 16)), at + 3
      elseif escaped then
        plain, at = escaped, at + 2
      else
        break
      end
      parts[#parts + 1] = plain
    end
    if found[name] then return nil end
    found[name], at = table.concat(parts), at + 1
  end
  return found
end

local function is_text(value)
  return type(value) == "string" and value ~= "" and not value:find("%c")
end

local function accepts(token)
  local header, claims = token.header, token.payload
  return header.typ == "JOSE" and header.cty == "json" and header.crit == nil and header.b64 == nil
    and claims.iss == organisation and claims.sub == unit
    and type(claims.iat) == "number" and is_text(claims.jti) and #claims.jti <= 256
end

function envoy_on_request(handle)
  local information = handle:streamInfo()
  local connection = information:downstreamSslConnection()
  local subject = connection and connection:peerCertificateValidated() and connection:subjectPeerCertificate()
  if subject and subject ~= known then
    local told = attributes(subject) or {}
    known, organisation, unit = subject, told.O, told.OU
  end
  local token = information:dynamicMetadata():get("envoy.filters.http.jwt_authn")
  if not (subject and organisation and unit and token and accepts(token)) then
    handle:respond({[":status"] = "401", ["content-type"] = "application/json"}, '{"errorCode": "JWS.InvalidClaim"}')
    return
  end
  local headers = handle:headers()
  headers:replace("x-hub-auth-method", "jwt_auth")
  headers:replace("x-hub-client-organisation", organisation)
  headers:replace("x-hub-client-organisational-unit", unit)
  headers:replace("x-hub-token-id", token.payload.jti)
end
