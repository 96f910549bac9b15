"""A zeep client that is given nothing but the contract's address, a client certificate and the CA.

    pip install zeep
    python3 fetch.py https://HOST:PORT/ws/trading?wsdl cert.pem key.pem ca.pem PURPOSE RESOURCE FIELD=VALUE…

Prints the record and the receipt. Ends with 0 when the record was delivered, 5 when it was not, 1 on a fault.
"""
import sys

import requests
from lxml import etree
from zeep import Client, Plugin, Transport
from zeep.exceptions import Fault


class Received(Plugin):
    def ingress(self, envelope, http_headers, operation):
        self.envelope = envelope
        return envelope, http_headers


wsdl, certificate, key, ca, purpose, resource, *criteria = sys.argv[1:]
session = requests.Session()
session.cert, session.verify = (certificate, key), ca
session.trust_env = False  # REQUESTS_CA_BUNDLE would replace the CA above
received = Received()
client = Client(wsdl, transport=Transport(session=session), plugins=[received])
try:
    located = client.service.Locate(Resource=[resource])
    if located.Location[0] is None or located.Location[0].Sector is None:
        sys.exit(f"{resource}: nobody shares it")
    print("located in", located.Location[0].Sector, "at", located.Location[0].Server)
    criterion = [{"field": field, "_value_1": value} for field, value in (c.split("=", 1) for c in criteria)]
    item = {"Resource": resource, "Criterion": criterion}
    result = client.service.Fetch(ConversationId=located.ConversationId, Purpose=purpose, Item=[item]).Result[0]
except Fault as fault:
    sys.exit(f"{fault.message}\n{etree.tostring(fault.detail, encoding='unicode') if fault.detail is not None else ''}")
print("status", result.Status, "trade", result.TradeId)
if result.Status != "delivered":
    print(result.Fault)
    sys.exit(5)
for record in received.envelope.iter("{urn:waybill:business:1}Record"):
    print(etree.tostring(record, encoding="unicode"))
print("leaf", result.Receipt.LeafIndex)
print(result.Receipt.Proof)
