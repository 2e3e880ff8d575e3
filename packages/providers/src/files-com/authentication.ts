import { RemoteFailureError, type Authentications } from '../provider.ts'

export const filesComAuthentications: Authentications = {
  api_key: {
    kind: 'static',
    toHeaders({ api_key }) {
      const key = api_key.trim()
      // The vendor's SDK refuses such a key before it is sent; a line break in it would break the request.
      if (!/^[\x21-\x7e]+$/.test(key)) {
        throw new RemoteFailureError({
          code: 'credentials_rejected',
          outcome: 'held',
          certainty: 'final',
          message: 'The API key holds white space or characters that no Files.com key has.',
        })
      }
      return { 'x-filesapi-key': key }
    },
  },
}
