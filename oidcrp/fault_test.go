package oidcrp_test

import (
	"fmt"
	"testing"
)

// injection is one way to bring a fault about, and what must come of it.
type injection struct {
	name string
	test func(*testing.T)
}

// TestFault has a row for each fault of which relying parties are known to die:
// what is out of order around us, and what visitor, operator and provider are
// to see of it.
func TestFault(t *testing.T) {
	for i, row := range [][]injection{
		{ // R01: the provider is down when the process starts
			{"connection refused", providerDownAtStart},
			{"no such name", providerHasNoAddress},
		}, { // R02: it is down while we run
			{"at the start of a login", providerStopsBeforeLogin},
			{"between redirect and callback", providerStopsInLogin},
		}, { // R03: it is slow
			{"deadlines", slowProvider},
			{"metadata for many", manyAtASlowProvider},
			{"pushed requests of many", manyPushesAtASlowProvider},
			{"refresh", providerDoesNotAnswerRefresh},
		}, { // R04: it answers with nonsense
			{"by endpoint", endpointFaults},
			{"by answer", nonsense},
			{"too many requests", tooManyRequests},
			{"while good copies are there", lastGoodCopies},
		}, { // R05: it rotates its keys in the middle of a login
			{"old key dropped at once", keyRolloverInsideTheLogin},
			{"both keys published", rotationBeforeSigning},
			{"signed with a withdrawn key", withdrawnKey},
		}, { // R06: no keys to be had while strangers name unknown ones
			{"outage under pressure", keysOutageUnderPressure},
		}, { // R07: its metadata changes, or breaks
			{"refresh", brokenMetadataRefresh},
		}, { // R08: clocks jump, or differ
			{"jumps", clockJumps},
			{"two nodes", clocksOfTwoNodes},
		}, { // R09: a node restarts in the middle of a login
			{"same keys", restartInLogin},
		}, { // R10: parallel refreshes with a rotating refresh token
			{"one node", manyRequestsRefreshOnce},
			{"two nodes", twoNodesRefreshOnce},
			{"two nodes without a lock", lostRaceOnAnotherNode},
			{"lock that cannot be had", lockCannotBeHad},
		}, { // R11: a crash between redeeming the code and writing the session
			{"crash", crashInCallback},
		}, { // R12: the store is down at a login
			{"first login", loginDuringAStoreOutage},
			{"over a session", failedLoginOverASession},
			{"no answer", storeHangsAtLogin},
		}, { // R13: the store is down for who is signed in
			{"requests", storeOutage},
			{"extending", outageWhileExtending},
			{"no answer", storeHangsAtRequest},
		}, { // R14: a replica without the last writes takes over
			{"lost session", lostSession},
			{"lost logout", lostLogout},
		}, { // R15: idle connections are dead
			{"to the provider", idleConnectionsToProvider},
			{"to the store", idleConnectionToStore},
		}, { // R16: the store is slow, full, evicting, read-only, moved
			{"errors", storeErrors},
			{"evicted", evictedRecord},
			{"slow", slowStore},
			{"during a refresh", storeFailsDuringRefresh},
		}, { // R17: foreign values in the store
			{"records", recordsAtRest},
			{"told", foreignRecordIsTold},
		}, { // R18: cookie keys are rotated
			{"rotation", keyRotation},
			{"node by node", keyRotationNodeByNode},
		}, { // R19: versions mixed
			{"newer record", recordOfAnotherVersion},
		}, { // R20: shutdown
			{"during a callback", shutdownDuringCallback},
			{"during a refresh", shutdownDuringRefresh},
			{"during a fetch of metadata", shutdownDuringFetch},
		}, { // R21: the visitor goes away
			{"during a refresh", tabClosedDuringRefresh},
			{"during the callback", tabClosedDuringCallback},
			{"during a shared fetch", tabClosedDuringSharedFetch},
		}, { // R22: everybody at once
			{"metadata", herdAtFirstUse},
			{"keys", herdAtKeyExpiry},
			{"logins", herdOfStrangers},
		}, { // R23: leaks
			{"churn", longRun},
		}, { // R24: what the application plugs in panics
			{"hooks", panickingHooks},
			{"hooks that block", blockingHooks},
			{"events", panicInTheEventHook},
			{"refresh", panicDuringRefresh},
		}, { // R25: files change under us
			{"keys", keyFiles},
			{"secret", secretThatCannotBeRead},
		}, { // R26: a proxy in front
			{"headers", spoofedHeadersChangeNothing},
			{"caching", caching},
			{"cookie sizes", cookiesDoNotGrow},
			{"TLS ends there", tlsEndsAtTheProxy},
			{"cookies split", cookiesOfHTTP2},
		}, { // R27: unsafe method without a session
			{"scripts", onlyNavigationsStartLogins},
			{"forms", interruptedPostComesBackToItsPage},
			{"expired", postAfterExpiry},
		}, { // R28: a logout while the session is being refreshed
			{"sign-out", logoutDuringRefresh},
			{"by the provider", backchannelDuringRefresh},
			{"monotone", logoutIsMonotone},
		},
	} {
		t.Run(fmt.Sprintf("R%02d", i+1), func(t *testing.T) {
			for _, in := range row {
				t.Run(in.name, in.test)
			}
		})
	}
}
