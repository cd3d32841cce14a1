# What becomes of a StatefulSet's claims, as the API calls it.
package stategate.lib.retention

key_of := {"when_deleted": "whenDeleted", "when_scaled": "whenScaled"}
