<?php
// PHP's SoapClient, given nothing but the contract's address, a client certificate and the CA.
//
//     apt-get install php-cli php-soap
//     php fetch.php https://HOST:PORT/ws/trading?wsdl cert.pem key.pem ca.pem PURPOSE RESOURCE FIELD=VALUE…
//
// Prints the record and the receipt. Ends with 0 when the record was delivered, 5 when it was not, 1 on a fault.
[, $wsdl, $certificate, $key, $ca, $purpose, $resource] = $argv;
$tls = ['local_cert' => $certificate, 'local_pk' => $key, 'cafile' => $ca, 'verify_peer' => true];
$client = new SoapClient($wsdl, [
    'stream_context' => stream_context_create(['ssl' => $tls]),
    'soap_version' => SOAP_1_2, 'cache_wsdl' => WSDL_CACHE_NONE, 'features' => SOAP_SINGLE_ELEMENT_ARRAYS,
]);
$criteria = [];
foreach (array_slice($argv, 7) as $criterion) {
    [$field, $value] = explode('=', $criterion, 2);
    $criteria[] = ['_' => $value, 'field' => $field];
}
try {
    $located = $client->Locate(['Resource' => [$resource]]);
    $location = $located->Location[0] ?? null;
    if (!isset($location->Sector)) {
        fwrite(STDERR, "$resource: nobody shares it\n");
        exit(1);
    }
    print "located in $location->Sector at $location->Server\n";
    $item = ['Resource' => $resource, 'Criterion' => $criteria];
    $answer = $client->Fetch(['ConversationId' => $located->ConversationId, 'Purpose' => $purpose, 'Item' => [$item]]);
} catch (SoapFault $fault) {
    fwrite(STDERR, $fault->getMessage() . "\n" . json_encode($fault->detail ?? null, JSON_UNESCAPED_UNICODE) . "\n");
    exit(1);
}
$result = $answer->Result[0];
print "status $result->Status trade " . ($result->TradeId ?? '-') . "\n";
if ($result->Status !== 'delivered') {
    print json_encode($result->Fault ?? null, JSON_UNESCAPED_UNICODE) . "\n";
    exit(5);
}
foreach ($result->Packet->Records->Record as $record) {
    print json_encode($record, JSON_UNESCAPED_UNICODE | JSON_PRETTY_PRINT) . "\n";
}
print 'leaf ' . $result->Receipt->LeafIndex . "\n" . $result->Receipt->Proof . "\n";
