# The API's names for the retention of a StatefulSet's claims.
package stategate.lib.retention

key_of := {"when_deleted": "whenDeleted", "when_scaled": "whenScaled"}
