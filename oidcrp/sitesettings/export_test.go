package sitesettings

// KnownKeys are the names of all settings of Power Pages: those of a provider
// alone, others with their group.
func KnownKeys() []string {
	var names []string
	for _, k := range providerKeys {
		names = append(names, k.name)
	}
	for group, keys := range siteKeys {
		for _, k := range keys {
			names = append(names, group+"/"+k.name)
		}
	}
	return names
}
