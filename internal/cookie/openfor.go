package cookie

import "sync"

// boxes are those of OpenFor between two uses.
var boxes = sync.Pool{New: func() any { return new(Box) }}

// OpenFor is OpenBytes of BoxFor without making the box: a server-side record
// is opened with every request, each by a key of its own.
func (k *Keys) OpenFor(dst []byte, purpose, site string, secret, sealed []byte) (plain []byte, err error) {
	b := boxes.Get().(*Box)
	defer boxes.Put(b)
	b.keys, b.info = k, appendInfo(b.info[:0], purpose, site, secret)
	defer clear(b.info)
	plain, _, err = b.OpenBytes(dst, sealed, nil)
	return plain, err
}
